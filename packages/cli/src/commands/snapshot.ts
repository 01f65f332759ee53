import { defineCommand } from "citty";
import { onlyDatabase } from "../control/connect.ts";
import type { SnapshotResponse } from "../control/protocol.ts";
import { takeSnapshots } from "../control/snapshots.ts";
import { interruptible } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { type ReplicaWork, replicaWorkFlags, type ReplicaWorkArguments, workOnReplicas } from "../replica-work.ts";

const command = defineCommand({
  args: replicaWorkFlags,
  run({ args }): Promise<number> {
    return interruptible((signal) => run(args, signal));
  },
});

const snapshotWork: ReplicaWork<SnapshotResponse> = {
  command: "snapshot",
  label: "snapshot",
  work: async (engine, config, request) => ({
    path: config.path,
    snapshots: await takeSnapshots(engine, config, request),
  }),
};

async function run(args: ReplicaWorkArguments, signal: AbortSignal): Promise<number> {
  const path = onlyDatabase("snapshot", args);
  const answers = await workOnReplicas(snapshotWork, { ...args, _: [path] }, signal);
  const snapshots = answers.flatMap((answer) => answer.snapshots);
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
}

const help: CommandHelp = {
  about: [
    "Takes a new snapshot of a database in its replicas, from which later restores begin. A replicator that runs is",
    "asked by its control socket; without one, the database of the configuration file is brought up to date first.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH"],
  examples: [{ purpose: "Before a migration.", command: "litestream snapshot -config litestream.yml /data/app.db" }],
};

export const snapshotCommand: Command = {
  flags: replicaWorkFlags,
  help,
  run: (args) => invoke("snapshot", command, replicaWorkFlags, help, args),
};
