import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "@litestream/e2e/command";
import { integrityCheck } from "@litestream/testkit";
import { flushDisk } from "../measure/flush-disk.ts";
import { Load } from "../load/load.ts";
import { makeTextDatabase } from "../load/text-database.ts";
import { prepareLoad, transactionOf60KB } from "../load/transaction.ts";
import { copyAndFlush } from "../measure/limits.ts";
import { findReplicators, type Layout, type Replicator } from "../replicators/replicator.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import { untilReplicated } from "./until.ts";
import type { Case, Measured, RunContext, Workload } from "./workload.ts";

/** How the WAL of a replica was written: in how many pieces a restore finds it. */
interface History {
  readonly name: string;
  readonly perSecond: number;
  readonly settings: Readonly<Record<string, unknown>>;
}

const few: History = { name: "few WAL files", perSecond: 100, settings: {} };
/** A replicator that looks, and checkpoints, as often as it can. */
const hundreds: History = {
  name: "hundreds of WAL files",
  perSecond: 50,
  settings: { "monitor-interval": "10ms", "min-checkpoint-page-count": 10 },
};
const transactions = 500;

interface ReplicaCase {
  readonly layout: Layout;
  readonly megabytes: number;
  readonly history: History;
  readonly isQuick: boolean;
}

const layouts: readonly Layout[] = ["whole", "segments", "ltx"];
const replicaCases: readonly ReplicaCase[] = [
  ...layouts.map((layout) => ({ layout, megabytes: 150, history: few, isQuick: true })),
  ...layouts.map((layout) => ({ layout, megabytes: 150, history: hundreds, isQuick: layout === "whole" })),
  ...layouts.map((layout) => ({ layout, megabytes: 2000, history: few, isQuick: false })),
];

export const restore: Workload = {
  name: "restore",
  title: "Restore",
  about:
    "The restore command from start to exit, with the replica in the page cache, from what the release that writes a" +
    " layout has written (`whole`: ours). Ours without its check of the restored database, which the others do not" +
    " have; with it, as it is by default, in a row of its own. Copying the restored file is the limit.",
  figures: [
    { key: "seconds", title: "time", unit: "s", better: "less", digits: 2 },
    { key: "mbPerSecond", title: "speed", unit: "MB/s", better: "more", digits: 0 },
    { key: "peakMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [
    { figure: "seconds", ofBest: 0.5 },
    { figure: "peakMB", absolute: 120 },
  ],
  hasBaseline: false,
  cases: () => replicaCases.map(toCase),
};

function toCase(replica: ReplicaCase): Case {
  const { layout, megabytes, history, isQuick } = replica;
  return {
    name: `${layout}, ${megabytes} MB, ${history.name}`,
    isQuick,
    suits: ({ name, fileLayout }) => name === "ours" || fileLayout === layout,
    run: (replicator, context) => measureRestore(replicator, context, replica, ["-integrity-check", "none"]),
    limits: [
      { name: "ours, checked", run: async (context) => measureRestore(await ours(), context, replica, []) },
      {
        name: "cp + fsync",
        run: async (context) => {
          const path = join(folderOf(context, replica), "app.db");
          const { mbPerSecond = Number.NaN } = copyAndFlush(path, context.folder);
          return { mbPerSecond, seconds: statSync(path).size / 1e6 / mbPerSecond };
        },
      },
    ],
  };
}

async function ours(): Promise<Replicator> {
  const found = (await findReplicators()).find(({ name }) => name === "ours");
  if (found === undefined) throw new Error("there is no command of ours");
  return found;
}

async function measureRestore(
  replicator: Replicator | undefined,
  context: RunContext,
  replica: ReplicaCase,
  flagsOfOurs: readonly string[],
): Promise<Measured> {
  if (replicator === undefined) throw new Error("a restore is that of a command");
  const replicaPath = await madeReplica(context, replica);
  const outputPath = join(context.folder, "restored.db");
  const flags = replicator.name === "ours" ? flagsOfOurs : [];
  const outcome = await run([...replicator.command, "restore", ...flags, "-o", outputPath, `file://${replicaPath}`]);
  if (outcome.exitCode !== 0) throw new Error(`exit code ${outcome.exitCode}: ${outcome.stderr}`);
  const sizeBytes = statSync(outputPath).size;
  const check = integrityCheck(outputPath);
  if (check !== "ok") throw new Error(`what it restored is damaged: ${check}`);
  return {
    seconds: outcome.durationMs / 1000,
    mbPerSecond: sizeBytes / 1000 / outcome.durationMs,
    peakMB: (outcome.peakMemoryBytes ?? Number.NaN) / 1e6,
  };
}

/** Without a space, which Litestream does not find again in a URL. */
function folderOf({ sharedFolder }: RunContext, { layout, megabytes, history }: ReplicaCase): string {
  return join(sharedFolder, `${layout}-${megabytes}-${history.name.split(" ")[0] ?? ""}`);
}

/** Written once, by whoever writes the layout; nothing is left of it but the replica and the database. */
async function madeReplica(context: RunContext, replica: ReplicaCase): Promise<string> {
  const { layout, megabytes, history } = replica;
  const folder = folderOf(context, replica);
  if (existsSync(folder)) return join(folder, "replica");
  const replicator = (await findReplicators()).find(({ fileLayout, name }) =>
    layout === "whole" ? name === "ours" : fileLayout === layout,
  );
  if (replicator === undefined) throw new Error(`nobody is there who writes the layout ${layout}`);
  const made = `${folder}.new`;
  mkdirSync(made);
  const [path, replicaPath] = [join(made, "app.db"), join(made, "replica")];
  makeTextDatabase(path, megabytes * 1e6);
  prepareLoad(path, transactionOf60KB);
  {
    const database = { path, ...history.settings, replicas: [fileReplica(replicaPath)] };
    await using running = new RunningReplicator(replicator, [database]);
    await untilReplicated(replicator, replicaPath, running);
    const { perSecond } = history;
    await using load = new Load({ path, size: transactionOf60KB, seconds: null, transactions, perSecond });
    await load.done();
    await Bun.sleep(4000);
  }
  for (const name of readdirSync(made)) {
    if (name !== "replica" && name !== "app.db") rmSync(join(made, name), { recursive: true });
  }
  renameSync(made, folder);
  // Whoever comes first must not be measured while this is written to the disk.
  await flushDisk();
  return join(folder, "replica");
}
