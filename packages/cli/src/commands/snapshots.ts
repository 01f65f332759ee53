import { formatWalIndex } from "@litestream/core";
import { defineCommand } from "citty";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { findListSource, formatTime, listFlags, printJson, printTable, readEach } from "../listing.ts";

const command = defineCommand({
  args: listFlags,
  async run({ args }): Promise<number> {
    const { replicas } = await findListSource("snapshots", args);
    const { items, isComplete } = await readEach(replicas, async (replica) =>
      (await replica.snapshots()).map((info) => ({ replica: replica.name, ...info })),
    );
    const sorted = items.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
    if (args.json === true) {
      printJson(
        sorted.map(({ replica, generation, index, sizeBytes, createdAt }) => ({
          replica,
          generation,
          index: formatWalIndex(index),
          size: sizeBytes,
          created: createdAt.toISOString(),
        })),
      );
    } else {
      printTable(
        ["replica", "generation", "index", "size", "created"],
        sorted.map(({ replica, generation, index, sizeBytes, createdAt }) => [
          replica,
          generation,
          String(index),
          String(sizeBytes),
          formatTime(createdAt),
        ]),
      );
    }
    return isComplete ? 0 : 1;
  },
});

const help: CommandHelp = {
  about: [
    "Lists the snapshots of a database's replicas, or of one replica: copies of the whole database, from which a",
    "restore begins. The index is that of the WAL which goes on from there, here in decimal digits.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "Of a configured database.", command: "litestream snapshots -config litestream.yml /data/app.db" },
    { purpose: "Of a replica.", command: "litestream snapshots /backups/app" },
  ],
};

export const snapshotsCommand: Command = {
  flags: listFlags,
  help,
  run: (args) => invoke("snapshots", command, listFlags, help, args),
};
