import { join } from "node:path";
import { Load } from "../load/load.ts";
import { prepareLoad, transactionOf60KB, walBytesOf60KB } from "../load/transaction.ts";
import { twoCopiesAndFlush } from "../measure/limits.ts";
import { type Durable, ReplicaWatch } from "../measure/replica-watch.ts";
import { percentile } from "../measure/statistics.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import type { Case, Measured, RunContext, Workload } from "./workload.ts";
import { untilReplicated } from "./until.ts";

export const commitLag: Workload = {
  name: "commit-lag",
  title: "From commit to durable",
  about:
    "A writer commits 60 KB at a time; the replica's folder is looked at each millisecond from outside. The lag of a" +
    " transaction runs from the return of its COMMIT to the moment when the folder was first seen to hold it.",
  figures: [
    { key: "p50Ms", title: "median", unit: "ms", better: "less", digits: 1 },
    { key: "p99Ms", title: "99 %", unit: "ms", better: "less", digits: 1 },
    { key: "maxMs", title: "worst", unit: "ms", better: "less", digits: 1 },
  ],
  bars: [
    { figure: "p50Ms", absolute: 10 },
    { figure: "maxMs", absolute: 100, cases: ["100 a second"] },
  ],
  hasBaseline: false,
  cases: (scale) =>
    [1, 10, 100].map((perSecond): Case => ({
      name: `${perSecond} a second`,
      limits: [{ name: "2 writes + fsync", run: async ({ folder }) => twoCopiesAndFlush(folder, walBytesOf60KB) }],
      isQuick: perSecond !== 10,
      run: (replicator, context) => measureLag(replicator, context, perSecond, scale === "quick" ? 6 : 15),
    })),
};

async function measureLag(
  replicator: Replicator | undefined,
  { folder }: RunContext,
  perSecond: number,
  seconds: number,
): Promise<Measured> {
  if (replicator === undefined) throw new Error("a lag is that of a replicator");
  const [path, replicaPath] = [join(folder, "app.db"), join(folder, "replica")];
  prepareLoad(path, transactionOf60KB);
  await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
  await untilReplicated(replicator, replicaPath, running);
  // Past the first second, in which all of them have more to do.
  await Bun.sleep(1500);
  using watch = new ReplicaWatch(replicaPath, replicator);
  await using load = new Load({ path, size: transactionOf60KB, seconds, perSecond });
  const { committedAtMs } = await load.done();
  // Everybody looks once a second at least.
  await Bun.sleep(2500);
  const lags = lagsOf(committedAtMs, await watch.durable());
  if (lags.length < committedAtMs.length) {
    throw new Error(`${replicator.name}: ${committedAtMs.length - lags.length} transactions did not arrive`);
  }
  return { p50Ms: percentile(lags, 0.5), p99Ms: percentile(lags, 0.99), maxMs: percentile(lags, 1) };
}

/** The lag of each transaction that arrived, from the first on. */
function lagsOf(committedAtMs: readonly number[], durable: readonly Durable[]): number[] {
  const lags: number[] = [];
  let next = 0;
  for (const [n, atMs] of committedAtMs.entries()) {
    while (next < durable.length && (durable[next]?.transaction ?? 0) < n + 1) next++;
    const found = durable[next];
    if (found === undefined) break;
    // What is durable before the writer knows that its COMMIT returned has no lag.
    lags.push(Math.max(0, found.atMs - atMs));
  }
  return lags;
}
