import { formatWalIndex, parseGeneration, type ReplicaReader } from "@litestream/core";
import { defineCommand } from "citty";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { findListSource, formatTime, listFlags, printJson, printTable, readEach } from "../listing.ts";
import { printError } from "../output.ts";

const flags = {
  ...listFlags,
  generation: { type: "string", valueHint: "NAME", description: "Only of this generation." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const generation = args.generation === undefined ? undefined : parseGeneration(args.generation);
    const { replicas } = await findListSource("wal", args);
    const { items, isComplete } = await readEach(replicas, async (replica) =>
      (await replica.wals())
        .filter((info) => (generation ?? info.generation) === info.generation)
        .map((info) => ({ replica: replica.name, ...info })),
    );
    const begins = new Map<string, number>();
    for (const info of items) {
      begins.set(info.generation, Math.min(begins.get(info.generation) ?? Infinity, info.createdAt.getTime()));
    }
    // Generations by their beginning; inside of one the order is that of the WAL.
    const sorted = items.toSorted(
      (a, b) =>
        (begins.get(a.generation) ?? 0) - (begins.get(b.generation) ?? 0) || a.index - b.index || a.offset - b.offset,
    );
    if (args.json === true) {
      printJson(
        sorted.map(({ replica, generation: name, index, offset, sizeBytes, createdAt }) => ({
          replica,
          generation: name,
          index: formatWalIndex(index),
          offset,
          size: sizeBytes,
          created: createdAt.toISOString(),
        })),
      );
    } else {
      printTable(
        ["replica", "generation", "index", "offset", "size", "created"],
        sorted.map(({ replica, generation: name, index, offset, sizeBytes, createdAt }) => [
          replica,
          name,
          String(index),
          String(offset),
          String(sizeBytes),
          formatTime(createdAt),
        ]),
      );
    }
    if (items.length === 0) await sayIfLtx(replicas);
    return isComplete ? 0 : 1;
  },
});

/** Litestream 0.5's `wal` lists LTX files. */
async function sayIfLtx(replicas: readonly ReplicaReader[]): Promise<void> {
  const { items } = await readEach(replicas, async (replica) => (await replica.ltx?.list()) ?? []);
  if (items.length > 0)
    printError("this is a replica by Litestream 0.5, without WAL; litestream ltx lists what it has");
}

const help: CommandHelp = {
  about: [
    "Lists the WAL of a database's replicas, or of one replica: whole WAL files, or the segments that they are made",
    "of. Index and offset are in decimal digits.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "Of a configured database.", command: "litestream wal -config litestream.yml /data/app.db" },
    { purpose: "Of one generation.", command: "litestream wal -generation 0123456789abcdef /backups/app" },
  ],
};

export const walCommand: Command = { flags, help, run: (args) => invoke("wal", command, flags, help, args) };
