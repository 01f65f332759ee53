import { existsSync } from "node:fs";
import { join } from "node:path";
import { metaPathOf } from "@litestream/e2e/database-files";
import { folderSizeBytes } from "@litestream/e2e/folder-size";
import { Load } from "../load/load.ts";
import { prepareLoad, transactionOf60KB } from "../load/transaction.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { untilReplicated } from "./until.ts";
import type { Measured, RunContext, Workload } from "./workload.ts";

const transactionsPerSecond = 200;

export const sizeOnDisk: Workload = {
  name: "size-on-disk",
  title: "What lies on the disk afterwards",
  about:
    "After the same transactions of 60 KB on a database of 12 MB, 4 s later: the replica, and what is kept beside the" +
    " database. The newest WAL of the `whole` layout is not compressed yet.",
  figures: [
    { key: "replicaMB", title: "replica", unit: "MB", better: "less", digits: 1 },
    { key: "metaMB", title: "beside the database", unit: "MB", better: "less", digits: 1 },
  ],
  bars: [],
  hasBaseline: false,
  roundsMax: 2,
  cases: (scale) => {
    const transactions = scale === "quick" ? 600 : 2000;
    return [
      {
        name: `${transactions} transactions`,
        isQuick: true,
        run: (replicator, context) => measureSize(replicator, context, transactions),
      },
    ];
  },
};

async function measureSize(
  replicator: Replicator | undefined,
  { folder }: RunContext,
  transactions: number,
): Promise<Measured> {
  if (replicator === undefined) throw new Error("a replica is that of a replicator");
  const [path, replicaPath] = [join(folder, "app.db"), join(folder, "replica")];
  prepareLoad(path, transactionOf60KB);
  await using running = new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
  await untilReplicated(replicator, replicaPath, running);
  const perSecond = transactionsPerSecond;
  await using load = new Load({ path, size: transactionOf60KB, seconds: null, transactions, perSecond });
  await load.done();
  await Bun.sleep(4000);
  const metaPath = metaPathOf(path);
  return {
    replicaMB: folderSizeBytes(replicaPath) / 1e6,
    metaMB: (existsSync(metaPath) ? folderSizeBytes(metaPath) : 0) / 1e6,
  };
}
