import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import {
  pagesDigest,
  type ProfileName,
  SeededRandom,
  type TempFolder,
  tempFolder,
  Workload,
} from "@litestream/testkit";
import { parseGeneration } from "../../src/generation.ts";
import { snapshotKey } from "../../src/layout/generations.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { segmentKey } from "../../src/layout/segments.ts";
import { walKey } from "../../src/layout/whole.ts";
import { openBlockThreads } from "../../src/lz4/block-threads.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { walIndex } from "../../src/position.ts";
import { restore } from "../../src/restore/restore.ts";
import { FileStore } from "../../src/store/file.ts";
import { collect, inChunks } from "../bytes.ts";

const generation = parseGeneration("0123456789abcdef");
const shapes: readonly ProfileName[] = ["vacuum-shrink", "grow-shrink", "update-random", "delete-heavy", "mixed"];
const pageSizes = [512, 1024, 4096, 8192, 65_536];

/** A database's file, and WALs one after another as SQLite wrote them; the file at `path` is SQLite's result. */
interface History {
  readonly snapshot: Buffer;
  readonly wals: readonly Buffer[];
  /** The file before the last WAL. */
  readonly fileBeforeLast: Buffer;
}

/** Does each of `steps` in a WAL of its own, at whose end SQLite moves it into the file. */
function historyOf(path: string, pageSize: number, steps: readonly ((database: Database) => void)[]): History {
  const run = (work: (database: Database) => void): Buffer => {
    const database = new Database(path);
    try {
      database.run(`PRAGMA page_size = ${pageSize}`);
      // Freed pages can be given back at once, which a WAL of grow-shrink does.
      database.run("PRAGMA auto_vacuum = incremental");
      database.run("PRAGMA journal_mode = WAL");
      database.run("PRAGMA wal_autocheckpoint = 0");
      work(database);
      return existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);
    } finally {
      database.close();
    }
  };
  const [first, ...others] = steps;
  run((database) => first?.(database));
  const snapshot = readFileSync(path);
  let fileBeforeLast = snapshot;
  const wals = others.map((step) => {
    fileBeforeLast = readFileSync(path);
    return run(step);
  });
  return { snapshot, wals, fileBeforeLast };
}

async function put(folder: TempFolder, key: string, content: Uint8Array): Promise<void> {
  const path = folder.join("replica", key);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, key.endsWith(".lz4") ? await collect(compressLz4(inChunks(content))) : content);
}

/** Whole WALs, the last one uncompressed; or each WAL in random segments. */
async function putReplica(folder: TempFolder, past: History, random: SeededRandom | undefined): Promise<void> {
  await put(folder, snapshotKey(generation, walIndex(0), true), past.snapshot);
  for (const [index, wal] of past.wals.entries()) {
    if (random === undefined) {
      await put(folder, walKey(generation, walIndex(index), index < past.wals.length - 1), wal);
      continue;
    }
    for (let offset = 0; offset < wal.byteLength;) {
      const size = 1 + random.below(wal.byteLength);
      await put(folder, segmentKey(generation, walIndex(index), offset, true), wal.subarray(offset, offset + size));
      offset += size;
    }
  }
}

async function restoredDigest(folder: TempFolder, name: string): Promise<string> {
  const replica = new StoreReplicaReader(new FileStore(folder.join("replica")), { type: "file" });
  await restore({ replica, outputPath: folder.join(name) });
  return pagesDigest(folder.join(name));
}

/** What SQLite makes of a file and a WAL beside it. */
function digestBySqlite(folder: TempFolder, name: string, file: Uint8Array, wal: Uint8Array): string {
  const path = folder.join(name);
  writeFileSync(path, file);
  writeFileSync(`${path}-wal`, wal);
  const database = new Database(path);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  return pagesDigest(path);
}

describe("restore gives the pages of SQLite's own checkpoint", () => {
  for (const [i, profile] of shapes.entries()) {
    for (const [j, pageSize] of pageSizes.entries()) {
      const seed = 100 * i + j;
      test(`after ${profile}, with pages of ${pageSize} bytes, seed ${seed}`, async () => {
        await using folder = await tempFolder();
        const path = folder.join("app.db");
        const random = new SeededRandom(seed);
        const options = { seed, profile, pageSize, rowsMax: 40 + random.below(200) };
        const steps = Array.from({ length: 3 + random.below(4) }, () => {
          const transactions = 1 + random.below(12);
          return (database: Database): void => {
            using workload = new Workload(database, options);
            workload.commit(transactions);
          };
        });
        const past = historyOf(path, pageSize, steps);
        await putReplica(folder, past, random.below(2) === 0 ? random : undefined);
        expect(await restoredDigest(folder, "restored.db")).toBe(pagesDigest(path));
      });
    }
  }

  test("where one WAL cuts off what a later one grows over again", async () => {
    for (const pageSize of [512, 4096]) {
      await using folder = await tempFolder();
      const path = folder.join("app.db");
      const grow = (database: Database): void => {
        database.run("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data BLOB)");
        for (let i = 0; i < 50; i++) database.run("INSERT INTO t (data) VALUES (randomblob(4000))");
      };
      const shrink = (database: Database): void => {
        database.run("DELETE FROM t");
        database.run("VACUUM");
      };
      const past = historyOf(path, pageSize, [grow, grow, shrink, grow, shrink, grow]);
      await putReplica(folder, past, undefined);
      expect(await restoredDigest(folder, "restored.db")).toBe(pagesDigest(path));
    }
  });

  // 4 MiB are held back: 300 rows are more, 100 are less.
  for (const rowsOf of [
    [3, 300, 3, 100, 300, 2],
    [100, 3, 100, 2],
  ]) {
    test(`wherever the last WAL ends, with transactions that change ${rowsOf.join(", ")} large rows`, async () => {
      const pageSize = 4096;
      const frameSize = pageSize + 24;
      await using folder = await tempFolder();
      const past = historyOf(folder.join("app.db"), pageSize, [
        (database) => {
          database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
          for (let i = 0; i < 400; i++) database.run("INSERT INTO t (data) VALUES (randomblob(20000))");
        },
        (database) => {
          for (const rows of rowsOf) {
            database.run("UPDATE t SET data = randomblob(20000) WHERE id > ?", [400 - rows]);
          }
        },
      ]);
      const whole = past.wals.at(-1) ?? Buffer.alloc(0);
      expect(whole.byteLength).toBeGreaterThan(rowsOf.reduce((sum, rows) => sum + rows * 20_000, 0));
      const cuts = [0.02, 0.1, 0.3, 0.6, 0.9].map((share) => Math.floor((whole.byteLength * share) / frameSize));
      const frames = (whole.byteLength - 32) / frameSize;
      for (const frameCount of [frames, frames - 1, ...cuts]) {
        const wal = whole.subarray(0, 32 + frameCount * frameSize);
        await putReplica(folder, { ...past, wals: [wal] }, undefined);
        const expected = digestBySqlite(folder, `expected-${frameCount}.db`, past.fileBeforeLast, wal);
        expect(await restoredDigest(folder, `restored-${frameCount}.db`)).toBe(expected);
      }
    });
  }

  test("of tens of megabytes, decompressed on other threads", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const insert = (database: Database): void => {
      database.run("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data BLOB)");
      for (let i = 0; i < 40; i++) database.run("INSERT INTO t (data) VALUES (randomblob(200000) || zeroblob(100000))");
    };
    const update = (database: Database): void => {
      database.run("UPDATE t SET data = randomblob(150000) WHERE id % 3 = 0");
    };
    const past = historyOf(path, 4096, [insert, insert, update, insert, update]);
    await putReplica(folder, past, undefined);
    const expected = pagesDigest(path);
    for (const threads of [0, 1, 3]) {
      using _threads = openBlockThreads(threads);
      expect(await restoredDigest(folder, `restored-${threads}.db`)).toBe(expected);
    }
  });
});
