import { join } from "node:path";
import { run } from "@litestream/e2e/command";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { makeDatabases } from "./idle.ts";
import { untilReplicated } from "./until.ts";
import type { Measured, RunContext, Workload } from "./workload.ts";

export const startUp: Workload = {
  name: "start-up",
  title: "Starting",
  about: "`version` from start to exit, and `replicate` from its start until a small database is in its replica.",
  figures: [
    { key: "versionMs", title: "version", unit: "ms", better: "less", digits: 0 },
    { key: "replicateMs", title: "replicate", unit: "ms", better: "less", digits: 0 },
  ],
  bars: [{ figure: "replicateMs", ofBest: 1 }],
  hasBaseline: false,
  cases: () => [{ name: "one small database", isQuick: true, run: measureStart }],
};

async function measureStart(replicator: Replicator | undefined, { folder }: RunContext): Promise<Measured> {
  if (replicator === undefined) throw new Error("a start is that of a replicator");
  const version = await run([...replicator.command, "version"]);
  const [path = ""] = makeDatabases(folder, 1);
  const replicaPath = join(folder, "replica");
  await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
  await untilReplicated(replicator, replicaPath, running, 1);
  return {
    versionMs: version.durationMs,
    replicateMs: performance.timeOrigin + performance.now() - running.startedAtMs,
  };
}
