import { join } from "node:path";
import { Load } from "../load/load.ts";
import { prepareLoad, transactionOf60KB } from "../load/transaction.ts";
import { usageSince } from "../measure/process-usage.ts";
import { ReplicaWatch } from "../measure/replica-watch.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { untilReplicated } from "./until.ts";
import type { Measured, RunContext, Workload } from "./workload.ts";

/** So long without any change, what is in the replica is read. */
const quietMs = 3000;
const catchUpMaxMs = 120_000;

export const catchUp: Workload = {
  name: "catch-up",
  title: "Catching up after a burst",
  about:
    "A writer commits 60 KB transactions one after the other, as fast as it can. How long after its last commit the" +
    " replica holds that commit, and the CPU of the replicator for each transaction, from the first one to then.",
  figures: [
    { key: "seconds", title: "behind", unit: "s", better: "less", digits: 2 },
    { key: "cpuMs", title: "CPU for each", unit: "ms", better: "less", digits: 3 },
    { key: "perSecond", title: "commits a second", unit: "/s", better: "more", digits: 0 },
    { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [{ figure: "seconds", ofBest: 1 }],
  hasBaseline: false,
  cases: (scale) => {
    const seconds = scale === "quick" ? 3 : 6;
    return [
      {
        name: `${seconds} s at full speed`,
        isQuick: true,
        run: (replicator, context) => measureCatchUp(replicator, context, seconds),
      },
    ];
  },
};

async function measureCatchUp(
  replicator: Replicator | undefined,
  { folder }: RunContext,
  seconds: number,
): Promise<Measured> {
  if (replicator === undefined) throw new Error("only a replicator has to catch up");
  const [path, replicaPath] = [join(folder, "app.db"), join(folder, "replica")];
  prepareLoad(path, transactionOf60KB);
  await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
  await untilReplicated(replicator, replicaPath, running);
  await Bun.sleep(1500);
  const before = running.usage();
  using watch = new ReplicaWatch(replicaPath, replicator);
  await using load = new Load({ path, size: transactionOf60KB, seconds });
  const report = await load.done();
  const endedAtMs = report.committedAtMs.at(-1) ?? Number.NaN;
  const transactions = report.committedAtMs.length;
  const caughtUpAtMs = await untilHeld(watch, transactions);
  const after = running.usage();
  const used = usageSince(before, after);
  return {
    seconds: Math.max(0, caughtUpAtMs - endedAtMs) / 1000,
    cpuMs: used.cpuMs / transactions,
    perSecond: transactions / report.seconds,
    peakMB: after.peakMemoryBytes / 1e6,
  };
}

/** When the replica first held the transaction. */
export async function untilHeld(watch: ReplicaWatch, transaction: number): Promise<number> {
  const deadlineMs = performance.now() + catchUpMaxMs;
  while (performance.now() < deadlineMs) {
    await Bun.sleep(Math.max(100, watch.changedAtMs + quietMs - (performance.timeOrigin + performance.now())));
    if (performance.timeOrigin + performance.now() - watch.changedAtMs < quietMs) continue;
    const found = (await watch.durable()).find((durable) => durable.transaction >= transaction);
    if (found !== undefined) return found.atMs;
  }
  throw new Error(`the last of ${transaction} transactions did not arrive within ${catchUpMaxMs / 1000} s`);
}
