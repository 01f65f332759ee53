import { statSync } from "node:fs";
import { defineCommand } from "citty";
import { formatGoDuration } from "../duration.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { findListSource, formatTime, listFlags, printJson, printTable, readEach } from "../listing.ts";

const command = defineCommand({
  args: listFlags,
  async run({ args }): Promise<number> {
    const { database, replicas } = await findListSource("generations", args);
    const updatedAtMs = database === undefined ? Date.now() : changedAtMs(database.path);
    const { items, isComplete } = await readEach(replicas, async (replica) => {
      const names = await replica.generations();
      const stats = names.map(async (generation) => ({ generation, ...(await replica.generationStats(generation)) }));
      const all = await Promise.all(stats);
      all.sort((a, b) => (a.createdAt?.getTime() ?? 0) - (b.createdAt?.getTime() ?? 0));
      return all.map((generation) => ({ replica: replica.name, ...generation }));
    });
    if (args.json === true) {
      printJson(
        items.map(({ replica, generation, createdAt, updatedAt, snapshotCount, walCount, ...sizes }) => ({
          replica,
          generation,
          lag_ms: updatedAt === undefined ? null : Math.round(updatedAtMs - updatedAt.getTime()),
          start: createdAt === undefined ? null : formatTime(createdAt),
          end: updatedAt === undefined ? null : formatTime(updatedAt),
          snapshots: snapshotCount,
          wal_objects: walCount,
          snapshot_bytes: sizes.snapshotSizeBytes,
          wal_bytes: sizes.walSizeBytes,
        })),
      );
    } else {
      printTable(
        ["name", "generation", "lag", "start", "end"],
        items.map(({ replica, generation, createdAt, updatedAt }) => [
          replica,
          generation,
          updatedAt === undefined ? "-" : formatGoDuration(updatedAtMs - updatedAt.getTime()),
          createdAt === undefined ? "-" : formatTime(createdAt),
          updatedAt === undefined ? "-" : formatTime(updatedAt),
        ]),
      );
    }
    return isComplete ? 0 : 1;
  },
});

/** When the database was last written to, be it the file or its WAL; now, if neither is there. */
function changedAtMs(path: string): number {
  const times = [path, `${path}-wal`].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return Math.max(...times) || Date.now();
}

const help: CommandHelp = {
  about: [
    "Lists the generations of a database's replicas, or of one replica: unbroken runs of WAL, each with the time that",
    "it spans, and how far its end is behind the database (for a replica by itself, how long ago it was).",
  ].join("\n"),
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "Of a configured database.", command: "litestream generations -config litestream.yml /data/app.db" },
    { purpose: "Of a replica.", command: "litestream generations /backups/app" },
  ],
};

export const generationsCommand: Command = {
  flags: listFlags,
  help,
  run: (args) => invoke("generations", command, listFlags, help, args),
};
