import { copyFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { flushDisk } from "../measure/flush-disk.ts";
import { makeTextDatabase } from "../load/text-database.ts";
import { cpuMsOf } from "../measure/process-usage.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { copyAndFlush, lz4Alone } from "../measure/limits.ts";
import { untilReplicated } from "./until.ts";
import type { Case, Measured, RunContext, Workload } from "./workload.ts";

export const firstSnapshot: Workload = {
  name: "first-snapshot",
  title: "The first snapshot",
  about:
    "From the start of the process until the replica can first be restored, from a database in the page cache. " +
    "What LZ4 does with the database on one thread, and what copying the file with one flush at the end takes, show " +
    "how near the machine's limits are.",
  figures: [
    { key: "mbPerSecond", title: "speed", unit: "MB/s", better: "more", digits: 0 },
    { key: "cpuSeconds", title: "CPU", unit: "s", better: "less", digits: 2 },
    { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [{ figure: "mbPerSecond", ofBest: 2 }],
  hasBaseline: false,
  roundsMax: 5,
  cases: () =>
    [400, 2000].map((megabytes): Case => ({
      name: `${megabytes} MB`,
      isQuick: megabytes === 400,
      run: (replicator, context) => measureSnapshot(replicator, context, megabytes),
      limits: [
        { name: "lz4 alone", run: async (context) => lz4Alone(databaseOf(context, megabytes)) },
        { name: "cp + fsync", run: async (context) => copyAndFlush(databaseOf(context, megabytes), context.folder) },
      ],
    })),
};

/** Made once; the copy that is replicated may be changed. */
function databaseOf({ sharedFolder }: RunContext, megabytes: number): string {
  const path = join(sharedFolder, `${megabytes}.db`);
  makeTextDatabase(path, megabytes * 1e6);
  return path;
}

async function measureSnapshot(
  replicator: Replicator | undefined,
  context: RunContext,
  megabytes: number,
): Promise<Measured> {
  if (replicator === undefined) throw new Error("a snapshot is that of a replicator");
  const [path, replicaPath] = [join(context.folder, "app.db"), join(context.folder, "replica")];
  copyFileSync(databaseOf(context, megabytes), path);
  await flushDisk();
  await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
  await untilReplicated(replicator, replicaPath, running, 2);
  const seconds = (performance.timeOrigin + performance.now() - running.startedAtMs) / 1000;
  const usage = running.usage();
  return {
    mbPerSecond: statSync(path).size / 1e6 / seconds,
    cpuSeconds: cpuMsOf(usage) / 1000,
    peakMB: usage.peakMemoryBytes / 1e6,
  };
}
