import { formatTxid, ltxSnapshotLevel } from "@litestream/core";
import { defineCommand } from "citty";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { findListSource, formatTime, listFlags, printJson, printTable, readEach } from "../listing.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...listFlags,
  level: { type: "string", valueHint: "LEVEL", description: "From 0 to 9 (snapshots), or all.\nDefaults to 0." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const level = parseLevel(args.level);
    const { replicas } = await findListSource("ltx", args);
    const { items, isComplete } = await readEach(replicas, async (replica) =>
      ((await replica.ltx?.list()) ?? [])
        .filter((info) => (level ?? info.level) === info.level)
        .map((info) => ({ replica: replica.name, ...info })),
    );
    const sorted = items.toSorted(
      (a, b) => a.level - b.level || Number(a.minTxid - b.minTxid) || Number(a.maxTxid - b.maxTxid),
    );
    const isOne = replicas.length === 1;
    if (args.json === true) {
      printJson(
        sorted.map((info) => ({
          ...(!isOne && { replica: info.replica }),
          level: info.level,
          min_txid: formatTxid(info.minTxid),
          max_txid: formatTxid(info.maxTxid),
          size: info.sizeBytes,
          timestamp: formatTime(info.createdAt),
        })),
      );
    } else {
      const header = ["level", "min_txid", "max_txid", "size", "created"];
      printTable(
        isOne ? header : ["replica", ...header],
        sorted.map((info) => [
          ...(isOne ? [] : [info.replica]),
          String(info.level),
          formatTxid(info.minTxid),
          formatTxid(info.maxTxid),
          String(info.sizeBytes),
          formatTime(info.createdAt),
        ]),
      );
    }
    return isComplete ? 0 : 1;
  },
});

/** Undefined for all. */
function parseLevel(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  if (text === "all") return undefined;
  if (/^\d$/.test(text) && Number(text) <= ltxSnapshotLevel) return Number(text);
  throw new UsageError(`litestream ltx: -level is 0 to ${ltxSnapshotLevel} or all, not "${text}"`);
}

const help: CommandHelp = {
  about: "Lists the LTX files of replicas that Litestream 0.5 wrote.",
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "All that a replica has.", command: "litestream ltx -level all /backups/app" },
    { purpose: "Its snapshots.", command: "litestream ltx -level 9 /backups/app" },
  ],
};

export const ltxCommand: Command = { flags, help, run: (args) => invoke("ltx", command, flags, help, args) };
