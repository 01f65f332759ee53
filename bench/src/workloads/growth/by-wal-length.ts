import { Load } from "../../load/load.ts";
import { prepareLoad, transactionOf60KB } from "../../load/transaction.ts";
import { usageSince } from "../../measure/process-usage.ts";
import { ReplicaWatch } from "../../measure/replica-watch.ts";
import { fileReplica, RunningReplicator } from "../../replicators/running.ts";
import { untilReplicated } from "../until.ts";
import type { Measured, Workload } from "../workload.ts";
import { type Point, pointAt } from "./point.ts";

/** No checkpoint takes place: all transactions are in one WAL. */
const settings = {
  "min-checkpoint-page-count": 1_000_000,
  "max-checkpoint-page-count": 0,
  "checkpoint-interval": "1h",
};

export const byWalLength: Workload = {
  name: "growth-wal-length",
  title: "Growth with the WAL's length",
  about:
    "Transactions of 60 KB, all in one WAL that no checkpoint moves: the replicator's CPU for each of the last ones," +
    " and how long a replicator that is started anew takes until a transaction is in the replica again.",
  growsWith: "transactions in the WAL",
  figures: [
    { key: "cpuMs", title: "CPU for each of the last 100", unit: "ms", better: "less", digits: 3 },
    { key: "restartSeconds", title: "start with that WAL", unit: "s", better: "less", digits: 2 },
    { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [],
  hasBaseline: false,
  roundsMax: 2,
  cases: () => [250, 1000, 4000, 16000].map((length) => pointAt(length, "transactions", 4000, measure(length))),
};

function measure(length: number): (point: Point) => Promise<Measured> {
  return async ({ replicator, path, replicaPath }) => {
    prepareLoad(path, transactionOf60KB);
    const databases = [{ path, ...settings, replicas: [fileReplica(replicaPath)] }];
    const load = { path, size: transactionOf60KB, seconds: null };
    let [cpuMs, peakMB] = [Number.NaN, Number.NaN];
    {
      await using running = new RunningReplicator(replicator, databases);
      await untilReplicated(replicator, replicaPath, running);
      await using before = new Load({ ...load, transactions: length - 100, perSecond: 2000 });
      await before.done();
      await Bun.sleep(2000);
      const then = running.usage();
      await using last = new Load({ ...load, transactions: 100, perSecond: 50, seed: 2 });
      await last.done();
      await Bun.sleep(500);
      const now = running.usage();
      cpuMs = usageSince(then, now).cpuMs / 100;
      peakMB = now.peakMemoryBytes / 1e6;
    }
    using watch = new ReplicaWatch(replicaPath, replicator);
    await Bun.sleep(100);
    await using running = new RunningReplicator(replicator, databases);
    await using next = new Load({ ...load, transactions: 1, seed: 3 });
    await next.done();
    while (watch.changedAtMs < running.startedAtMs) await Bun.sleep(5);
    return { cpuMs, restartSeconds: (watch.changedAtMs - running.startedAtMs) / 1000, peakMB };
  };
}
