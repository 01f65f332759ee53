import { defineCommand } from "citty";
import { controlRequest } from "../control/client.ts";
import { configuredDatabases, controlFlags, onlyDatabase, runningReplicator } from "../control/connect.ts";
import type { SnapshotResponse } from "../control/protocol.ts";
import { takeSnapshots } from "../control/snapshots.ts";
import { withEngine } from "../direct.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";

const flags = {
  ...controlFlags,
  replica: { type: "string", valueHint: "NAME", description: "Only of this replica.\nDefaults to all of them." },
  timeout: { ...controlFlags.timeout, description: "How long to wait for a replicator.\nDefaults to 3600." },
} as const;

const timeoutSeconds = "3600";

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const path = onlyDatabase("snapshot", args);
    const client = await runningReplicator("snapshot", { ...args, timeout: args.timeout ?? timeoutSeconds });
    const request = args.replica === undefined ? {} : { replica: args.replica };
    let snapshots: SnapshotResponse["snapshots"];
    if (client === undefined) {
      const [config] = await configuredDatabases("snapshot", args);
      if (config === undefined) throw new Error("a path was given");
      snapshots = await withEngine(config, async (engine, signal) => {
        await engine.sync({ signal });
        return takeSnapshots(engine, config, { ...request, signal });
      });
    } else {
      const body = { path, ...request, timeout: client.timeoutMs / 1000 };
      ({ snapshots } = await controlRequest<SnapshotResponse>(client, "POST", "/snapshot", body));
    }
    if (args.json === true) {
      printJson(snapshots);
    } else {
      printTable(
        ["replica", "generation", "index", "size", "created"],
        snapshots.map(({ replica, generation, index, size, created }) => [
          replica,
          generation,
          String(Number.parseInt(index, 16)),
          String(size),
          created.replace(/\.\d+Z$/, "Z"),
        ]),
      );
    }
    return 0;
  },
});

const help: CommandHelp = {
  about: [
    "Takes a new snapshot of a database in its replicas, from which later restores begin. A replicator that runs is",
    "asked by its control socket; without one, the database of the configuration file is brought up to date first.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH"],
  examples: [{ purpose: "Before a migration.", command: "litestream snapshot -config litestream.yml /data/app.db" }],
};

export const snapshotCommand: Command = { flags, help, run: (args) => invoke("snapshot", command, flags, help, args) };
