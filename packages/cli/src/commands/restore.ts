import { lstatSync } from "node:fs";
import {
  type AnyPlan,
  formatPosition,
  formatTimestamp,
  formatTxid,
  formatWalIndex,
  isLitestreamError,
  openReplica,
  planRestore,
  type ReplicaReader,
  restore as restoreDatabase,
  type RestoreEvent,
  type RestorePointOptions,
  type RestoreResult,
} from "@litestream/core";
import { defineCommand } from "citty";
import { formatDurationMs } from "../duration.ts";
import { configFlags } from "../flags.ts";
import { Interrupt, signalExitCode } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { newestReplica } from "../newest-replica.ts";
import { oneLine, printError, printOut } from "../output.ts";
import { parseProgressMode, Progress, type ProgressMode } from "../progress.ts";
import { followFlags, followTo, parseFollow } from "../restore-follow.ts";
import { parseRestorePoint, pointFlags } from "../restore-point.ts";
import { type RestoreTarget, findRestoreTarget } from "../restore-target.ts";
import { formatBytes } from "../size.ts";
import { formatTable } from "../table.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...configFlags,
  replica: {
    type: "string",
    valueHint: "NAME",
    description:
      "The replica to restore from, of those that the configuration file gives the database.\n" +
      "Defaults to the replica with the latest data.",
  },
  ...pointFlags,
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
  "dry-run": { type: "boolean", description: "Prints what would be restored and from which files; writes nothing." },
  ...followFlags,
  force: {
    type: "boolean",
    description:
      "Where something is missing or damaged: takes the newest state that can be restored,\n" +
      "and says what is lost. Never overwrites a database.",
  },
  "integrity-check": {
    type: "string",
    valueHint: "DEPTH",
    description:
      "SQLite's check of the result before it appears: quick, full or none.\n" +
      "Defaults to quick, which does not compare indexes with tables.",
  },
  parallelism: {
    type: "string",
    valueHint: "NUM",
    description:
      "How many threads may be at work, and small objects be fetched from S3 at a time.\n" +
      "Defaults to the number of cores, at most 4; and to 16.",
  },
  progress: {
    type: "string",
    valueHint: "WHEN",
    description: "A progress bar, or lines where stderr is no terminal: auto, always or never.\nDefaults to auto.",
  },
  json: { type: "boolean", description: "Prints what was restored, or with -dry-run what would be, as JSON." },
  v: { type: "boolean", description: "Says what is done, and what was restored also when stderr is not a terminal." },
} as const;

type IntegrityCheck = "quick" | "full" | "none";

interface Wishes {
  readonly point: Omit<RestorePointOptions, "replica" | "signal">;
  readonly integrityCheck: IntegrityCheck;
  readonly parallelism: number | undefined;
  readonly progress: ProgressMode;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

function commandOf(words: readonly string[]) {
  return defineCommand({
    args: flags,
    async run({ args }): Promise<number> {
      const target = await findRestoreTarget({
        others: args._,
        configPath: args.config,
        expandEnv: args["expand-env"],
        outputPath: args.o,
        replicaName: args.replica,
      });
      const following = parseFollow(args);
      const forceHint = `litestream restore -force ${words.map(shellWord).join(" ")}`;
      const wishes: Wishes = {
        point: { ...parseRestorePoint(args), force: args.force === true, forceHint },
        integrityCheck: parseIntegrityCheck(args["integrity-check"]),
        parallelism: parseParallelism(args.parallelism),
        progress: parseProgressMode("restore", args.progress),
        dryRun: args["dry-run"] === true,
        json: args.json === true,
        verbose: args.v === true,
      };
      if (args["if-db-not-exists"] === true && lstatSync(target.outputPath, { throwIfNoEntry: false }) !== undefined) {
        say(`database already exists, skipping: ${target.outputPath}`);
        return 0;
      }
      using interrupt = new Interrupt();
      try {
        if (following !== undefined) await followTo(target, { ...wishes, ...following }, interrupt.signal);
        else await restoreTo(target, wishes, interrupt.signal);
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
}

async function restoreTo({ replicas, outputPath }: RestoreTarget, wishes: Wishes, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  const replica = await newestReplica(
    replicas.map((options) => openReplica(options)),
    wishes.point.generation,
  );
  const options = { ...wishes.point, replica, signal };
  if (wishes.dryRun) {
    const plan = await planRestore(options);
    printOut(wishes.json ? formatJson(planJson(plan, replica, outputPath)) : formatPlan(plan, replica, outputPath));
    return;
  }
  const { integrityCheck, parallelism } = wishes;
  let result: RestoreResult;
  {
    using progress = new Progress("restoring", wishes.json && wishes.progress === "auto" ? "never" : wishes.progress);
    const onProgress = (event: RestoreEvent): void => {
      if (event.type === "read") progress.update(event.readBytes, event.totalBytes);
      else sayEvent(event, wishes.verbose, progress);
    };
    result = await restoreDatabase({ ...options, outputPath, integrityCheck, parallelism, onProgress });
  }
  const durationMs = performance.now() - startedMs;
  if (result.droppedBytes > 0) {
    say(
      `warning: the last ${formatBytes(result.droppedBytes)} of WAL in ${replica.location}` +
        ` are no whole transaction and ` +
        "were left out: whoever wrote them was interrupted there, and never reported them as replicated",
    );
  }
  if (result.lost !== undefined) say(`warning: lost by -force: ${result.lost}`);
  if (wishes.json) printOut(formatJson(resultJson(result, replica, outputPath, durationMs, integrityCheck)));
  if (!wishes.verbose && !process.stderr.isTTY) return;
  say(
    `restored ${outputPath} from replica ${replica.name} (${replica.location}) at ${positionOf(result)}: ` +
      `${formatBytes(result.sizeBytes)} in ${formatDurationMs(durationMs)}`,
  );
}

function sayEvent(event: RestoreEvent, verbose: boolean, progress: Progress): void {
  const sayIt = (text: string): void => {
    progress.pause();
    say(text);
  };
  if (event.type === "warning") sayIt(`warning: ${event.message}`);
  if (!verbose) return;
  switch (event.type) {
    case "plan": {
      const { plan } = event;
      sayIt(
        plan.layout === "ltx"
          ? `restoring transaction ${formatTxid(plan.ltx.state.txid)} out of ${plan.ltx.files.length} LTX files`
          : `restoring snapshot ${plan.wal.generation}/${formatWalIndex(plan.wal.snapshot.index)}` +
              ` and then ${plan.wal.wals.length} WAL files`,
      );
      return;
    }
    case "wal":
      sayIt(`applied WAL ${formatWalIndex(event.index)}, ${event.count} of ${event.walCount}`);
      return;
    case "ltx":
      sayIt(`applied ${event.info.path}, ${event.count} of ${event.fileCount}`);
      return;
    case "integrity-check":
      sayIt(`checking the integrity of the result (${event.depth})`);
      return;
    case "snapshot":
    case "read":
    case "warning":
      return;
    default:
      event satisfies never;
  }
}

function positionOf(result: RestoreResult): string {
  return result.layout === "wal" ? formatPosition(result.position) : `transaction ${formatTxid(result.txid)}`;
}

/** A stored object that a plan reads. */
interface PlannedFile {
  readonly kind: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly createdAt: Date;
}

function filesOf(plan: AnyPlan): PlannedFile[] {
  if (plan.layout === "ltx") return plan.ltx.files.map((info) => ({ kind: `ltx ${info.level}`, ...info }));
  const snapshot = { kind: "snapshot", ...plan.wal.snapshot };
  return [snapshot, ...plan.walObjects.map((info) => ({ kind: "wal", ...info }))];
}

/** What the state is called, and where it ends. */
function pointOf(plan: AnyPlan): Record<string, string | number> {
  if (plan.layout === "ltx") return { txid: formatTxid(plan.ltx.state.txid) };
  const { generation, snapshot, wals, lastWalUntil } = plan.wal;
  const index = formatWalIndex(wals.at(-1) ?? snapshot.index);
  return { generation, index, ...(lastWalUntil !== undefined && { offset: lastWalUntil }) };
}

function formatPlan(plan: AnyPlan, replica: ReplicaReader, outputPath: string): string {
  const lines = [
    "Restore plan:",
    `  source: ${replica.location}`,
    `  target: ${outputPath}`,
    `  replica: ${replica.name}`,
  ];
  for (const [name, value] of Object.entries(pointOf(plan))) lines.push(`  ${name}: ${value}`);
  lines.push(`  time: ${formatTimestamp(plan.timeNs)}`);
  if (plan.lost !== undefined) lines.push(`  lost by -force: ${plan.lost}`);
  const rows = filesOf(plan).map(({ kind, path, sizeBytes, createdAt }) => [
    kind,
    path,
    String(sizeBytes),
    createdAt.toISOString(),
  ]);
  return [...lines, "", "Files to fetch:", formatTable(["kind", "file", "size", "timestamp"], rows)]
    .map(plain)
    .join("\n");
}

function planJson(plan: AnyPlan, replica: ReplicaReader, outputPath: string): object {
  return {
    db_path: outputPath,
    replica: replica.name,
    source: replica.location,
    ...pointOf(plan),
    timestamp: formatTimestamp(plan.timeNs),
    ...(plan.lost !== undefined && { lost: plan.lost }),
    size: plan.storedBytes,
    files: filesOf(plan).map(({ kind, path, sizeBytes, createdAt }) => ({
      kind,
      path,
      size: sizeBytes,
      timestamp: createdAt.toISOString(),
    })),
  };
}

function resultJson(
  result: RestoreResult,
  replica: ReplicaReader,
  outputPath: string,
  durationMs: number,
  integrityCheck: IntegrityCheck,
): object {
  const where =
    result.layout === "ltx"
      ? { txid: formatTxid(result.txid) }
      : {
          generation: result.generation,
          index: formatWalIndex(result.position.index),
          offset: result.position.offset,
        };
  return {
    db_path: outputPath,
    replica: replica.name,
    ...where,
    size: result.sizeBytes,
    duration_ms: Math.round(durationMs),
    integrity_check: integrityCheck,
    ...(result.droppedBytes > 0 && { dropped_bytes: result.droppedBytes }),
    ...(result.lost !== undefined && { lost: result.lost }),
    ...(result.warnings.length > 0 && { warnings: result.warnings }),
  };
}

function formatJson(value: object): string {
  return JSON.stringify(value, undefined, 2);
}

function parseIntegrityCheck(text: string | undefined): IntegrityCheck {
  if (text === undefined || text === "quick") return "quick";
  if (text === "full" || text === "none") return text;
  throw new UsageError(`litestream restore: -integrity-check is quick, full or none, not "${text}"`);
}

function parseParallelism(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`litestream restore: -parallelism is a number from 1 on, not "${text}"`);
}

/** A word as a shell takes it: the command in a hint is to be copied. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A line of more than one: control characters in names must not reach the terminal. */
function plain(text: string): string {
  return text
    .split("\n")
    .map((line) => line.replaceAll(/\p{Cc}+/gu, " "))
    .join("\n");
}

function say(text: string): void {
  printError(oneLine(text));
}

const help: CommandHelp = {
  about: [
    "Recovers a database from a replica: its latest state, or an earlier one. The output is written beside its path",
    "and moved there when it is whole and verified; a database that is there already is never touched.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "Restore from a replica's folder.", command: "litestream restore -o /data/app.db /backups/app" },
    { purpose: "The same by URL.", command: "litestream restore -o /data/app.db file:///backups/app" },
    {
      purpose: "Restore the state before a mistake.",
      command: "litestream restore -timestamp 2026-01-31T12:00:00Z -o /data/app.db /backups/app",
    },
    {
      purpose: "Keep a copy up to date, for others to read.",
      command: "litestream restore -f -o /data/standby.db /backups/app",
    },
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

export const restoreCommand: Command = {
  flags,
  help,
  run: (args) => invoke("restore", commandOf(args), flags, help, args),
};
