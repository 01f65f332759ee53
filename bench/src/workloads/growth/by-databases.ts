import { usageSince } from "../../measure/process-usage.ts";
import { fileReplica, RunningReplicator } from "../../replicators/running.ts";
import { makeDatabases } from "../idle.ts";
import { untilReplicated } from "../until.ts";
import type { Measured, Workload } from "../workload.ts";
import { type Point, pointAt } from "./point.ts";

const [settleMs, measuredMs] = [5000, 10_000];

export const byDatabases: Workload = {
  name: "growth-databases",
  title: "Growth with the number of databases",
  about: "One process with so many databases that nobody writes to: its start until all are replicated, and then.",
  growsWith: "databases",
  figures: [
    { key: "cpuPercent", title: "idle CPU", unit: "%", better: "less", digits: 2 },
    { key: "memoryMB", title: "memory", unit: "MB", better: "less", digits: 0 },
    { key: "startSeconds", title: "start", unit: "s", better: "less", digits: 2 },
  ],
  bars: [],
  hasBaseline: false,
  roundsMax: 2,
  cases: () =>
    [1, 10, 100, 300, 1000].map((databases) =>
      pointAt(databases, databases === 1 ? "database" : "databases", 300, measure(databases)),
    ),
};

function measure(databases: number): (point: Point) => Promise<Measured> {
  return async ({ replicator, context }) => {
    const paths = makeDatabases(context.folder, databases);
    await using running = new RunningReplicator(
      replicator,
      paths.map((path) => ({ path, replicas: [fileReplica(`${path}.replica`)] })),
    );
    for (const path of paths) await untilReplicated(replicator, `${path}.replica`, running);
    const startSeconds = (performance.timeOrigin + performance.now() - running.startedAtMs) / 1000;
    await Bun.sleep(settleMs);
    const before = running.usage();
    await Bun.sleep(measuredMs);
    const after = running.usage();
    const cpuPercent = (usageSince(before, after).cpuMs / measuredMs) * 100;
    return { cpuPercent, memoryMB: after.memoryBytes / 1e6, startSeconds };
  };
}
