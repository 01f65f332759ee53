import { Database } from "bun:sqlite";
import { existsSync, rmSync, statSync } from "node:fs";
import { SeededRandom } from "../seeded-random.ts";
import { type CreationOptions, setCreationOptions } from "./open-database.ts";

export interface GenerateOptions extends CreationOptions {
  /** The size to reach in bytes; the file ends at most a few hundred kilobytes above it. */
  readonly sizeBytes: number;
  readonly seed: number;
  /** Share of the content, from 0 to 1, that is repetitive text; the rest is noise. Default 0.5. */
  readonly compressible?: number;
  /** Told the size reached every few megabytes. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Rows between two looks at the size. Fixed, so that content never depends on the machine's speed. */
const rowsPerBatch = 32;
const payloadBytesMax = 16_384;
/** Bytes written between two turns of the event loop. */
const bytesPerTurn = 8 << 20;
const cacheKiB = 16_384;

/**
 * Makes a closed database in WAL mode, without a `-wal`, of about `sizeBytes`: a table `record` whose rows are up
 * to 16 KiB, some with overflow pages, and an index. The content is the same for the same options. Memory stays
 * flat. Returns the file's size in bytes; on failure there is no file.
 */
export async function generateDatabase(path: string, options: GenerateOptions): Promise<number> {
  const { sizeBytes, seed, pageSize = 4096, compressible = 0.5, onProgress, signal } = options;
  if (!(compressible >= 0 && compressible <= 1)) throw new RangeError(`not a share: compressible ${compressible}`);
  if (existsSync(path)) throw new Error(`${path} exists; a database is generated into a new file`);
  try {
    using database = new Database(path, { create: true, readwrite: true });
    setCreationOptions(database, options);
    // Nothing is lost if this dies half-way: the file is of no use then, and removed.
    database.run("PRAGMA journal_mode = OFF");
    database.run("PRAGMA synchronous = OFF");
    database.run(`PRAGMA cache_size = -${cacheKiB}`);
    database.run("CREATE TABLE record(id INTEGER PRIMARY KEY, name TEXT NOT NULL, payload BLOB NOT NULL)");
    database.run("CREATE INDEX record_name ON record(name)");
    database.run("BEGIN");
    using insert = database.prepare<unknown, [number, string, Uint8Array]>("INSERT INTO record VALUES (?, ?, ?)");
    using pageCount = database.prepare<{ page_count: number }, []>("PRAGMA page_count");
    const size = (): number => (pageCount.get()?.page_count ?? 0) * pageSize;

    const random = new SeededRandom(seed);
    const payload = new Uint8Array(payloadBytesMax);
    let id = 0;
    let turnAt = bytesPerTurn;
    while (size() < sizeBytes) {
      for (let i = 0; i < rowsPerBatch; i++) {
        id++;
        const bytes = 100 + random.below(payloadBytesMax - 100);
        const noiseBytes = Math.round(bytes * (1 - compressible));
        random.fill(payload.subarray(0, noiseBytes));
        payload.set(repetitiveText.subarray(0, bytes - noiseBytes), noiseBytes);
        // Ascending names: an index in random order would make this a test of the disk's seek time.
        insert.run(id, `record-${id.toString().padStart(10, "0")}`, payload.subarray(0, bytes));
      }
      if (size() < turnAt) continue;
      turnAt = size() + bytesPerTurn;
      onProgress?.(size());
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
    database.run("COMMIT");
    // This commit syncs the file, so that nothing measured later pays for it.
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA journal_mode = WAL");
  } catch (error) {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
    throw error;
  }
  return statSync(path).size;
}

const repetitiveText: Uint8Array = new TextEncoder().encode(
  "The quick brown fox jumps over the lazy dog. ".repeat(Math.ceil(payloadBytesMax / 45)),
);
