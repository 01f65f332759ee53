import { Load } from "../../load/load.ts";
import { prepareLoad, transactionOf60KB } from "../../load/transaction.ts";
import { usageSince } from "../../measure/process-usage.ts";
import { RunningReplicator } from "../../replicators/running.ts";
import { untilReplicated } from "../until.ts";
import type { Measured, Workload } from "../workload.ts";
import { type Point, pointAt } from "./point.ts";

const [perSecond, seconds] = [200, 5];

export const byReplicas: Workload = {
  name: "growth-replicas",
  title: "Growth with the number of replicas",
  about: "One database with so many folders that it is replicated to: the replicator's CPU for a transaction of 60 KB.",
  growsWith: "replicas",
  figures: [
    { key: "cpuMs", title: "CPU for each transaction", unit: "ms", better: "less", digits: 3 },
    { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [],
  hasBaseline: false,
  roundsMax: 2,
  cases: () =>
    [1, 2, 4, 8].map((replicas) => pointAt(replicas, replicas === 1 ? "replica" : "replicas", 8, measure(replicas))),
};

function measure(count: number): (point: Point) => Promise<Measured> {
  return async ({ replicator, path, replicaPath }) => {
    prepareLoad(path, transactionOf60KB);
    const paths = Array.from({ length: count }, (_, n) => `${replicaPath}-${n}`);
    const replicas = paths.map((one, n) => ({ type: "file", name: `folder-${n}`, path: one }));
    await using running = new RunningReplicator(replicator, [{ path, replicas }]);
    for (const one of paths) await untilReplicated(replicator, one, running);
    {
      await using warmUp = new Load({ path, size: transactionOf60KB, seconds: 2, perSecond, seed: 2 });
      await warmUp.done();
      await Bun.sleep(1000);
    }
    const before = running.usage();
    await using load = new Load({ path, size: transactionOf60KB, seconds, perSecond });
    const { committedAtMs } = await load.done();
    await Bun.sleep(2000);
    const after = running.usage();
    return { cpuMs: usageSince(before, after).cpuMs / committedAtMs.length, peakMB: after.peakMemoryBytes / 1e6 };
  };
}
