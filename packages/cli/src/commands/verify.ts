import {
  formatTimestamp,
  formatTxid,
  formatWalIndex,
  isLitestreamError,
  type ObjectProblem,
  openReplica,
  type ReplicaReport,
  verifyReplica,
} from "@litestream/core";
import { defineCommand } from "citty";
import { configFlags } from "../flags.ts";
import { Interrupt, signalExitCode } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { oneLine, printError, printOut } from "../output.ts";
import { parseProgressMode, Progress } from "../progress.ts";
import { findRestoreTarget } from "../restore-target.ts";
import { formatBytes } from "../size.ts";
import { formatTable } from "../table.ts";

const columnsMax = 80;

const flags = {
  ...configFlags,
  replica: {
    type: "string",
    valueHint: "NAME",
    description:
      "The replica to verify, of those that the configuration file gives the database.\nDefaults to all of them.",
  },
  progress: {
    type: "string",
    valueHint: "WHEN",
    description: "A progress bar, or lines where stderr is no terminal: auto, always or never.\nDefaults to auto.",
  },
  json: { type: "boolean", description: "Prints the report as JSON." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const { replicas } = await findRestoreTarget({
      others: args._,
      configPath: args.config,
      expandEnv: args["expand-env"],
      outputPath: undefined,
      replicaName: args.replica,
      writes: false,
      command: "verify",
    });
    const mode = parseProgressMode("verify", args.progress);
    using interrupt = new Interrupt();
    const reports: { name: string; report: ReplicaReport }[] = [];
    try {
      for (const options of replicas) {
        const replica = openReplica(options);
        using progress = new Progress("verifying", args.json === true && mode === "auto" ? "never" : mode);
        const onProgress = (readBytes: number, totalBytes: number): void => progress.update(readBytes, totalBytes);
        reports.push({
          name: replica.name,
          report: await verifyReplica({ replica, signal: interrupt.signal, onProgress }),
        });
      }
    } catch (error) {
      if (interrupt.received === undefined || !isLitestreamError(error, "ABORTED")) throw error;
      printError(`${interrupt.received} received: not everything was read`);
      return signalExitCode(interrupt.received);
    }
    if (args.json === true)
      printOut(
        JSON.stringify(
          reports.map(({ name, report }) => reportJson(name, report)),
          undefined,
          2,
        ),
      );
    else printOut(reports.map(({ name, report }) => formatReport(name, report)).join("\n\n"));
    return reports.every(({ report }) => report.isSound && !isEmpty(report)) ? 0 : 1;
  },
});

function isEmpty({ generations, ltx }: ReplicaReport): boolean {
  return generations.length === 0 && ltx === undefined;
}

function formatReport(name: string, report: ReplicaReport): string {
  const { location, generations, ltx, extra, isSound } = report;
  const lines = [oneLine(`${name}: ${location}`)];
  if (isEmpty(report)) lines.push("no backup found");
  const rows = generations.flatMap(({ generation, ranges }) =>
    ranges.length === 0
      ? [[generation, "nothing that can be restored"]]
      : ranges.map(({ firstIndex, lastIndex, fromNs, toNs }) => [
          generation,
          `${formatWalIndex(firstIndex)}-${formatWalIndex(lastIndex)}`,
          seconds(formatTimestamp(fromNs)),
          seconds(formatTimestamp(toNs)),
        ]),
  );
  if (rows.length > 0) lines.push(formatTable(["generation", "wal", "from", "to"], rows));
  if (ltx !== undefined) {
    const { firstTxid, lastTxid, from, to } = ltx;
    const row =
      firstTxid === undefined || lastTxid === undefined || from === undefined || to === undefined
        ? ["nothing that can be restored"]
        : [`${formatTxid(firstTxid)}-${formatTxid(lastTxid)}`, seconds(from.toISOString()), seconds(to.toISOString())];
    lines.push(formatTable(["txid", "from", "to"], [row]));
  }
  const parts = [...generations, ...(ltx === undefined ? [] : [ltx])];
  lines.push(
    ...problems(
      "damaged",
      parts.flatMap(({ damaged }) => damaged),
    ),
  );
  lines.push(
    ...problems(
      "missing",
      parts.flatMap(({ missing }) => missing),
    ),
  );
  for (const { generation, droppedBytes } of generations) {
    if (droppedBytes === 0) continue;
    lines.push(
      ...wrap(`note: generation ${generation} ends with ${formatBytes(droppedBytes)} of an interrupted write`),
    );
  }
  for (const key of extra) lines.push(`extra    ${oneLine(key)}`);
  lines.push(isSound ? "sound: everything in it can be restored" : "not everything in it can be restored");
  return lines.join("\n");
}

function problems(kind: string, found: readonly ObjectProblem[]): string[] {
  return found.flatMap(({ path, why }) => [`${kind}  ${oneLine(path)}`, ...wrap(oneLine(why), "         ")]);
}

/** Breaks a sentence between words. */
function wrap(text: string, indent: string = ""): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length + word.length + 1 > columnsMax) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** Lists show whole seconds, as Litestream's do; JSON has all digits. */
function seconds(timestamp: string): string {
  return timestamp.replace(/\.\d+Z$/, "Z");
}

function reportJson(name: string, { location, generations, ltx, extra, isSound }: ReplicaReport): object {
  return {
    replica: name,
    location,
    sound: isSound,
    generations: generations.map(({ generation, ranges, damaged, missing, droppedBytes }) => ({
      generation,
      ranges: ranges.map(({ firstIndex, lastIndex, fromNs, toNs }) => ({
        first_index: formatWalIndex(firstIndex),
        last_index: formatWalIndex(lastIndex),
        from: formatTimestamp(fromNs),
        to: formatTimestamp(toNs),
      })),
      damaged,
      missing,
      dropped_bytes: droppedBytes,
    })),
    ...(ltx !== undefined && {
      ltx: {
        first_txid: ltx.firstTxid === undefined ? null : formatTxid(ltx.firstTxid),
        last_txid: ltx.lastTxid === undefined ? null : formatTxid(ltx.lastTxid),
        from: ltx.from?.toISOString() ?? null,
        to: ltx.to?.toISOString() ?? null,
        damaged: ltx.damaged,
        missing: ltx.missing,
      },
    }),
    extra,
  };
}

const help: CommandHelp = {
  about: [
    "Reads everything in a replica that a restore could need, and restores nothing. Prints what can be restored, and",
    "what is damaged or missing, or no part of a backup. Exit code 1 if anything is damaged or missing, or if there is",
    "nothing.",
  ].join("\n"),
  usages: ["[arguments] REPLICA", "[arguments] -config PATH DB_PATH"],
  examples: [
    { purpose: "Verify a replica's folder.", command: "litestream verify /backups/app" },
    { purpose: "Every replica of a database.", command: "litestream verify -config litestream.yml /data/app.db" },
  ],
};

export const verifyCommand: Command = { flags, help, run: (args) => invoke("verify", command, flags, help, args) };
