import { join } from "node:path";
import { Load } from "../load/load.ts";
import { prepareLoad, transactionOf60KB, walBytesOf60KB } from "../load/transaction.ts";
import { twoCopiesAndFlush } from "../measure/limits.ts";
import { usageSince } from "../measure/process-usage.ts";
import { fileReplica, type ReplicaSettings, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { untilReplicated } from "./until.ts";
import type { Case, Figure, Measured, Workload } from "./workload.ts";

/** After the last transaction, for what a replicator does later: it belongs to the transactions all the same. */
const settleMs = 2500;

/** What `measureCost` gives. */
export const costFigures: readonly Figure[] = [
  { key: "cpuMs", title: "CPU", unit: "ms", better: "less", digits: 3 },
  { key: "writtenKB", title: "written", unit: "KB", better: "less", digits: 0 },
  { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
];

export const transactionCost: Workload = {
  name: "transaction-cost",
  title: "What a transaction costs the replicator",
  about:
    "CPU of the replicator, and the bytes it gives to write calls, for each transaction of 60 KB: from the first" +
    " transaction until 2.5 s after the last, so that checkpoints and compression are in it.",
  figures: costFigures,
  bars: [{ figure: "cpuMs", ofBest: 1 }],
  hasBaseline: false,
  cases: (scale) =>
    [100, 1000].map((perSecond): Case => ({
      name: `${perSecond} a second`,
      limits: [{ name: "2 writes + fsync", run: async ({ folder }) => twoCopiesAndFlush(folder, walBytesOf60KB) }],
      isQuick: true,
      run: async (replicator, { folder }) => {
        if (replicator === undefined) throw new Error("a cost is that of a replicator");
        const replicaPath = join(folder, "replica");
        return measureCost(replicator, folder, {
          replica: fileReplica(replicaPath),
          untilReplicated: (running) => untilReplicated(replicator, replicaPath, running),
          perSecond,
          seconds: scale === "quick" ? 6 : 12,
        });
      },
    })),
};

/** A replicator runs for weeks: its first second, in which code is compiled and memory taken, is not what counts. */
async function warmUp(path: string): Promise<void> {
  await using load = new Load({ path, size: transactionOf60KB, seconds: 3, perSecond: 100, seed: 2 });
  await load.done();
  await Bun.sleep(settleMs);
}

export interface CostOptions {
  readonly replica: ReplicaSettings;
  readonly untilReplicated: (running: RunningReplicator) => Promise<void>;
  readonly perSecond: number;
  readonly seconds: number;
}

/** @param folder an empty one, for the database */
export async function measureCost(
  replicator: Replicator,
  folder: string,
  { replica, untilReplicated: isReplicated, perSecond, seconds }: CostOptions,
): Promise<Measured> {
  const path = join(folder, "app.db");
  prepareLoad(path, transactionOf60KB);
  await using running = new RunningReplicator(replicator, [{ path, replicas: [replica] }]);
  await isReplicated(running);
  await warmUp(path);
  const before = running.usage();
  await using load = new Load({ path, size: transactionOf60KB, seconds, perSecond });
  const { committedAtMs } = await load.done();
  await Bun.sleep(settleMs);
  const after = running.usage();
  const used = usageSince(before, after);
  const transactions = committedAtMs.length;
  return {
    cpuMs: used.cpuMs / transactions,
    writtenKB: used.writtenBytes / 1000 / transactions,
    peakMB: after.peakMemoryBytes / 1e6,
  };
}
