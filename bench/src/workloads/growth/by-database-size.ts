import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "@litestream/e2e/command";
import { flushDisk } from "../../measure/flush-disk.ts";
import { makeTextDatabase } from "../../load/text-database.ts";
import { fileReplica, RunningReplicator } from "../../replicators/running.ts";
import { untilReplicated } from "../until.ts";
import type { Measured, Workload } from "../workload.ts";
import { type Point, pointAt } from "./point.ts";

export const byDatabaseSize: Workload = {
  name: "growth-database-size",
  title: "Growth with the database's size",
  about: "The first snapshot and the restore of databases of text, and the most memory that either takes.",
  growsWith: "size of the database, MB",
  figures: [
    { key: "snapshotSeconds", title: "snapshot", unit: "s", better: "less", digits: 2 },
    { key: "restoreSeconds", title: "restore", unit: "s", better: "less", digits: 2 },
    { key: "snapshotMB", title: "memory of the snapshot", unit: "MB", better: "less", digits: 0 },
    { key: "restoreMB", title: "memory of the restore", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [],
  hasBaseline: false,
  roundsMax: 2,
  cases: () => [100, 400, 1000, 4000].map((megabytes) => pointAt(megabytes, "MB", 1000, measure(megabytes))),
};

function measure(megabytes: number): (point: Point) => Promise<Measured> {
  return async ({ replicator, path, replicaPath, context }) => {
    const made = join(context.sharedFolder, `${megabytes}.db`);
    makeTextDatabase(made, megabytes * 1e6);
    copyFileSync(made, path);
    await flushDisk();
    let [snapshotSeconds, snapshotMB] = [Number.NaN, Number.NaN];
    {
      await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
      await untilReplicated(replicator, replicaPath, running, 2);
      snapshotSeconds = (performance.timeOrigin + performance.now() - running.startedAtMs) / 1000;
      snapshotMB = running.usage().peakMemoryBytes / 1e6;
    }
    rmSync(path);
    const outputPath = join(context.folder, "restored.db");
    const flags = ["restore", "-integrity-check", "none", "-o", outputPath];
    const { exitCode, stderr, durationMs, peakMemoryBytes } = await run([...replicator.command, ...flags, replicaPath]);
    if (exitCode !== 0) throw new Error(stderr);
    const restoreMB = (peakMemoryBytes ?? Number.NaN) / 1e6;
    return { snapshotSeconds, restoreSeconds: durationMs / 1000, snapshotMB, restoreMB };
  };
}
