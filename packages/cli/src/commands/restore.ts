import { lstatSync } from "node:fs";
import {
  type Generation,
  type RestoreProgress,
  formatPosition,
  formatWalIndex,
  isLitestreamError,
  openReplica,
  parseGeneration,
  restore as restoreDatabase,
} from "@litestream/core";
import { defineCommand } from "citty";
import { formatDurationMs } from "../duration.ts";
import { configFlags } from "../flags.ts";
import { Interrupt, signalExitCode } from "../interrupt.ts";
import { type CommandHelp, invoke } from "../invoke.ts";
import { newestReplica } from "../newest-replica.ts";
import { oneLine, printError } from "../output.ts";
import { type RestoreTarget, findRestoreTarget } from "../restore-target.ts";
import { formatBytes } from "../size.ts";

const flags = {
  ...configFlags,
  replica: {
    type: "string",
    valueHint: "NAME",
    description:
      "The replica to restore from, of those that the configuration file gives the database.\n" +
      "Defaults to the replica with the latest data.",
  },
  generation: {
    type: "string",
    valueHint: "NAME",
    description: "The generation to restore.\nDefaults to the generation with the latest data.",
  },
  o: {
    type: "string",
    valueHint: "PATH",
    description: "Where to write the restored database; nothing may be there yet.\nDefaults to DB_PATH.",
  },
  "if-db-not-exists": {
    type: "boolean",
    description: "Does nothing, with exit code 0, if there is a database at the output path already.",
  },
  "if-replica-exists": {
    type: "boolean",
    description: "Does nothing, with exit code 0, if there is no backup.",
  },
  v: { type: "boolean", description: "Says what is done, and what was restored also when stderr is not a terminal." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const target = await findRestoreTarget({
      others: args._,
      configPath: args.config,
      expandEnv: args["expand-env"],
      outputPath: args.o,
      replicaName: args.replica,
    });
    const generation = args.generation === undefined ? undefined : parseGeneration(args.generation);
    if (args["if-db-not-exists"] === true && lstatSync(target.outputPath, { throwIfNoEntry: false }) !== undefined) {
      say(`database already exists, skipping: ${target.outputPath}`);
      return 0;
    }
    using interrupt = new Interrupt();
    try {
      await restoreTo(target, generation, args.v === true, interrupt.signal);
    } catch (error) {
      if (interrupt.received !== undefined && isLitestreamError(error, "ABORTED")) {
        say(`${interrupt.received} received: nothing was restored, and nothing left behind`);
        return signalExitCode(interrupt.received);
      }
      if (args["if-replica-exists"] !== true || !isLitestreamError(error, "NO_BACKUP")) throw error;
      say(`no matching backups found, skipping: ${error.message}`);
    }
    return 0;
  },
});

async function restoreTo(
  { replicas, outputPath }: RestoreTarget,
  generation: Generation | undefined,
  verbose: boolean,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now();
  const replica = await newestReplica(
    replicas.map((options) => openReplica(options)),
    generation,
  );
  const onProgress = verbose ? sayProgress : undefined;
  const result = await restoreDatabase({ replica, outputPath, generation, signal, onProgress });
  if (result.droppedBytes > 0) {
    say(
      `warning: the last ${formatBytes(result.droppedBytes)} of WAL in ${replica.location}` +
        ` are no whole transaction and ` +
        "were left out: whoever wrote them was interrupted there, and never reported them as replicated",
    );
  }
  if (!verbose && !process.stderr.isTTY) return;
  say(
    `restored ${outputPath} from replica ${replica.name} (${replica.location})` +
      ` at ${formatPosition(result.position)}: ` +
      `${formatBytes(result.sizeBytes)} in ${formatDurationMs(performance.now() - startedMs)}`,
  );
}

function sayProgress(progress: RestoreProgress): void {
  switch (progress.type) {
    case "plan": {
      const { generation, snapshot, wals } = progress.plan;
      say(`restoring snapshot ${generation}/${formatWalIndex(snapshot.index)} and then ${wals.length} WAL files`);
      return;
    }
    case "wal":
      say(`applied WAL ${formatWalIndex(progress.index)}, ${progress.count} of ${progress.walCount}`);
      return;
    case "snapshot":
      return;
    default:
      progress satisfies never;
  }
}

function say(text: string): void {
  printError(oneLine(text));
}

const help: CommandHelp = {
  about: [
    "Recovers a database from a replica: its latest state, or that of one generation. The output is written beside its",
    "path and moved there when it is whole and verified; a database that is there already is never touched.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "Restore from a replica's folder.", command: "litestream restore -o /data/app.db /backups/app" },
    { purpose: "The same by URL.", command: "litestream restore -o /data/app.db file:///backups/app" },
    {
      purpose: "Restore a configured database to where it belongs.",
      command: "litestream restore -config litestream.yml /data/app.db",
    },
    {
      purpose:
        "Before the first start of a container: restore if there is something to restore, and nothing there yet.",
      command: "litestream restore -if-db-not-exists -if-replica-exists -o /data/app.db /backups/app",
    },
  ],
};

export function restore(args: readonly string[]): Promise<number> {
  return invoke("restore", command, flags, help, args);
}
