import { Load } from "../../load/load.ts";
import { prepareLoad, transactionOf60KB } from "../../load/transaction.ts";
import { ReplicaWatch } from "../../measure/replica-watch.ts";
import { fileReplica, RunningReplicator } from "../../replicators/running.ts";
import { untilHeld } from "../catch-up.ts";
import { untilReplicated } from "../until.ts";
import type { Measured, Workload } from "../workload.ts";
import { type Point, pointAt } from "./point.ts";

export const byBacklog: Workload = {
  name: "growth-backlog",
  title: "Growth with the backlog",
  about:
    "The replicator is stopped (SIGSTOP) while so many transactions of 60 KB are written, and goes on: how long it" +
    " takes until the replica has them all.",
  growsWith: "transactions",
  figures: [
    { key: "seconds", title: "catching up", unit: "s", better: "less", digits: 2 },
    { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [],
  hasBaseline: false,
  roundsMax: 2,
  cases: () => [250, 1000, 4000, 16000].map((backlog) => pointAt(backlog, "transactions", 4000, measure(backlog))),
};

function measure(backlog: number): (point: Point) => Promise<Measured> {
  return async ({ replicator, path, replicaPath }) => {
    prepareLoad(path, transactionOf60KB);
    await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
    await untilReplicated(replicator, replicaPath, running);
    await Bun.sleep(1500);
    using watch = new ReplicaWatch(replicaPath, replicator);
    running.signal("SIGSTOP");
    await using load = new Load({ path, size: transactionOf60KB, seconds: null, transactions: backlog });
    await load.done();
    const goesOnAtMs = performance.timeOrigin + performance.now();
    running.signal("SIGCONT");
    const heldAtMs = await untilHeld(watch, backlog);
    return { seconds: (heldAtMs - goesOnAtMs) / 1000, peakMB: running.usage().peakMemoryBytes / 1e6 };
  };
}
