/**
 * Snapshot and restore of a large database, and the memory they take. As a command:
 *
 *     sh scripts/run bun e2e/src/large.ts [MEGABYTES]     # default 2000; needs three times that in the temporary
 *                                                         # folder
 *
 * It prints a table, and exits with 1 where a process took 150 MB or more, or the restored database is another.
 */
import { Database } from "bun:sqlite";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { errorMessage } from "@litestream/core";
import { committedPrefix, generateDatabase, spawnWriter, tempFolder } from "@litestream/testkit";
import { restoreWithCommand } from "./command.ts";
import { PeakMemory } from "./peak-memory.ts";
import { startReplicator } from "./replicator.ts";

/** What either process may have resident at any moment, whatever the size of the database. */
export const memoryMaxBytes = 150e6;

/** Of the writer that goes on meanwhile. */
const transactionsPerSecond = 20;
const compareBytes = 4 << 20;

export interface LargeRun {
  readonly sizeBytes: number;
  readonly snapshotMs: number;
  readonly snapshotStoredBytes: number;
  readonly restoreMs: number;
  /** Undefined where there is no /proc. */
  readonly replicatePeakBytes: number | undefined;
  readonly restorePeakBytes: number | undefined;
  /** Transactions written while the snapshot was taken, and found in the restored database. */
  readonly transactions: number;
}

/**
 * Replicates a database of about `sizeBytes` under a light writer, and restores it.
 * @throws Error unless the restored file is the database, byte for byte
 */
export async function runLarge(sizeBytes: number): Promise<LargeRun> {
  await using folder = await tempFolder();
  const [dbPath, replicaPath, outputPath] = [folder.join("app.db"), folder.join("replica"), folder.join("restored.db")];
  await generateDatabase(dbPath, { sizeBytes, seed: 1 });
  await using writer = await spawnWriter({ path: dbPath, seed: 1, rowsMax: 2000, rate: transactionsPerSecond });
  await using replicator = await startReplicator({ dbPath, replicaPath, workPath: folder.join("work") });
  using replicatePeak = new PeakMemory(replicator.pid);
  const snapshot = await replicator.waitFor(({ type }) => type === "snapshot");
  if (snapshot.type !== "snapshot") throw new Error("another event than the one awaited");
  await replicator.waitForAsOf(Date.parse(snapshot.time));
  await writer.stop();
  const replicatePeakBytes = replicatePeak.bytes;
  const { exitCode, stderr } = await replicator.kill("SIGTERM");
  if (exitCode !== 0) throw new Error(`litestream replicate ended with exit code ${exitCode}: ${stderr}`);

  const restored = await restoreWithCommand(replicaPath, outputPath);
  if (restored.exitCode !== 0) throw new Error(`litestream restore failed: ${restored.stderr}`);
  requireSound(outputPath);
  const transactions = committedPrefix(outputPath);
  moveWalIntoDatabase(dbPath);
  requireSameBytes(dbPath, outputPath);
  return {
    sizeBytes: statSync(outputPath).size,
    snapshotMs: snapshot.durationMs,
    snapshotStoredBytes: snapshot.sizeBytes,
    restoreMs: restored.durationMs,
    replicatePeakBytes,
    restorePeakBytes: restored.peakMemoryBytes,
    transactions,
  };
}

function requireSound(path: string): void {
  using database = new Database(path, { readonly: true });
  const found = database.query<{ quick_check: string }, []>("PRAGMA quick_check").all();
  const said = found.map((row) => row.quick_check).join("\n");
  if (said !== "ok") throw new Error(`${path}: quick_check says: ${said}`);
}

function moveWalIntoDatabase(path: string): void {
  using database = new Database(path);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

function requireSameBytes(path: string, otherPath: string): void {
  const [fd, otherFd] = [openSync(path, "r"), openSync(otherPath, "r")];
  try {
    const [buffer, other] = [Buffer.alloc(compareBytes), Buffer.alloc(compareBytes)];
    for (let offset = 0; ;) {
      const size = readSync(fd, buffer, 0, compareBytes, offset);
      const otherSize = readSync(otherFd, other, 0, compareBytes, offset);
      if (size !== otherSize || Buffer.compare(buffer.subarray(0, size), other.subarray(0, size)) !== 0) {
        throw new Error(`${otherPath} is not what ${path} is, from some byte after ${offset} on`);
      }
      if (size === 0) return;
      offset += size;
    }
  } finally {
    closeSync(fd);
    closeSync(otherFd);
  }
}

/** True when neither process took more than it may. */
export function isWithinMemory({ replicatePeakBytes, restorePeakBytes }: LargeRun): boolean {
  return (replicatePeakBytes ?? 0) < memoryMaxBytes && (restorePeakBytes ?? 0) < memoryMaxBytes;
}

function print(run: LargeRun): void {
  const megabytes = (bytes: number | undefined): string =>
    bytes === undefined ? "unknown" : `${(bytes / 1e6).toFixed(0)} MB`;
  const row = (what: string, durationMs: number, peakBytes: number | undefined): void => {
    const perSecond = `${megabytes((run.sizeBytes / durationMs) * 1000)}/s`;
    console.log([what.padEnd(10), `${(durationMs / 1000).toFixed(1)} s`, perSecond, megabytes(peakBytes)].join("\t"));
  };
  console.log(`database of ${megabytes(run.sizeBytes)}, stored as ${megabytes(run.snapshotStoredBytes)}`);
  console.log(["".padEnd(10), "time", "speed", "peak memory"].join("\t"));
  row("snapshot", run.snapshotMs, run.replicatePeakBytes);
  row("restore", run.restoreMs, run.restorePeakBytes);
  console.log(`restored byte for byte, with all ${run.transactions} transactions that were written meanwhile`);
}

if (import.meta.main) {
  const megabytes = Number(process.argv[2] ?? 2000);
  if (!(megabytes >= 1)) throw new Error(`not a size in megabytes: ${process.argv[2]}`);
  try {
    const run = await runLarge(megabytes * 1e6);
    print(run);
    if (!isWithinMemory(run)) throw new Error(`a process took ${memoryMaxBytes / 1e6} MB or more`);
  } catch (error) {
    console.error(errorMessage(error));
    process.exitCode = 1;
  }
}
