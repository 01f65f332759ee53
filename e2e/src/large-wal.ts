/**
 * A WAL of more than 4 GB, whose offsets need more than 32 bits: captured, replicated and restored. As a command:
 *
 *     sh scripts/run bun e2e/src/large-wal.ts [MEGABYTES]     # default 5000; needs four times that in the temporary
 *                                                             # folder
 */
import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { errorMessage } from "@litestream/core";
import { tempFolder } from "@litestream/testkit";
import { restoreWithCommand } from "./command.ts";
import { memoryMaxBytes } from "./large.ts";
import { PeakMemory } from "./peak-memory.ts";
import { startReplicator } from "./replicator.ts";

export interface LargeWalRun {
  readonly walSizeBytes: number;
  readonly restoreMs: number;
  /** Undefined where there is no /proc. */
  readonly replicatePeakBytes: number | undefined;
  readonly restorePeakBytes: number | undefined;
}

/** Each transaction writes all of it again. */
const rowCount = 16;
const rowBytes = 1 << 20;

/** @throws Error unless the restored database has what the last transaction wrote, and is sound */
export async function runLargeWal(walSizeBytes: number): Promise<LargeWalRun> {
  await using folder = await tempFolder();
  const [dbPath, replicaPath, outputPath] = [folder.join("app.db"), folder.join("replica"), folder.join("restored.db")];
  const database = new Database(dbPath);
  database.run("PRAGMA journal_mode = wal");
  database.run("PRAGMA wal_autocheckpoint = 0");
  database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, round INTEGER, data BLOB)");
  const settings = { "checkpoint-interval": "0s", "min-checkpoint-page-count": 1e9, "max-checkpoint-page-count": 0 };
  await using replicator = await startReplicator({ dbPath, replicaPath, workPath: folder.join("work"), settings });
  using replicatePeak = new PeakMemory(replicator.pid);
  await replicator.waitForReplicated();
  const write = database.prepare("INSERT OR REPLACE INTO t VALUES (?, ?, randomblob(?))");
  let round = 0;
  while (walSizeOf(dbPath) < walSizeBytes) {
    round++;
    database.transaction(() => {
      for (let id = 0; id < rowCount; id++) write.run(id, round, rowBytes);
    })();
    // Replication goes on beside it: what is captured later is still there.
    await Bun.sleep(1);
  }
  write.finalize();
  const digest = digestOf(database);
  const replicatePeakBytes = replicatePeak.bytes;
  const { exitCode, stderr } = await replicator.kill("SIGTERM");
  if (exitCode !== 0) throw new Error(`litestream replicate ended with exit code ${exitCode}: ${stderr}`);
  const reached = walSizeOf(dbPath);
  database.close();
  const restored = await restoreWithCommand(replicaPath, outputPath);
  if (restored.exitCode !== 0) throw new Error(`litestream restore failed: ${restored.stderr}`);
  using copy = new Database(outputPath, { readonly: true });
  if (digestOf(copy) !== digest) throw new Error("the restored database is another one");
  return {
    walSizeBytes: reached,
    restoreMs: restored.durationMs,
    replicatePeakBytes,
    restorePeakBytes: restored.peakMemoryBytes,
  };
}

function walSizeOf(path: string): number {
  return statSync(`${path}-wal`).size;
}

function digestOf(database: Database): string {
  const hasher = new Bun.CryptoHasher("sha256");
  using rows = database.prepare<{ id: number; round: number; data: Uint8Array }, []>("SELECT * FROM t ORDER BY id");
  for (const { id, round, data } of rows.iterate()) hasher.update(`${id} ${round} `).update(data);
  return hasher.digest("hex");
}

if (import.meta.main) {
  const megabytes = Number(process.argv[2] ?? 5000);
  if (!(megabytes >= 1)) throw new Error(`not a size in megabytes: ${process.argv[2]}`);
  try {
    const run = await runLargeWal(megabytes * 1e6);
    const inMegabytes = (bytes: number | undefined): string =>
      bytes === undefined ? "unknown" : `${(bytes / 1e6).toFixed(0)} MB`;
    console.log(
      `WAL of ${inMegabytes(run.walSizeBytes)}: replicated with ${inMegabytes(run.replicatePeakBytes)} of memory,`,
    );
    console.log(
      `restored in ${(run.restoreMs / 1000).toFixed(1)} s with ${inMegabytes(run.restorePeakBytes)}, and equal`,
    );
    const peak = Math.max(run.replicatePeakBytes ?? 0, run.restorePeakBytes ?? 0);
    if (peak >= memoryMaxBytes) throw new Error(`a process took ${memoryMaxBytes / 1e6} MB or more`);
  } catch (error) {
    console.error(errorMessage(error));
    process.exitCode = 1;
  }
}
