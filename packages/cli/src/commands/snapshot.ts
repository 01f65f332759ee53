import { defineCommand } from "citty";
import { controlWork } from "../control/client.ts";
import {
  type ControlArguments,
  configuredDatabases,
  controlFlags,
  onlyDatabase,
  progressFlag,
  runningReplicator,
} from "../control/connect.ts";
import type { SnapshotResponse } from "../control/protocol.ts";
import { takeSnapshots } from "../control/snapshots.ts";
import { withEngine } from "../direct.ts";
import { interruptible } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { parseProgressMode, Progress } from "../progress.ts";
import type { Engine } from "../supervisor/engine.ts";

const flags = {
  ...controlFlags,
  replica: { type: "string", valueHint: "NAME", description: "Only of this replica.\nDefaults to all of them." },
  progress: progressFlag,
  timeout: { ...controlFlags.timeout, description: "How long to wait for a replicator.\nDefaults to 3600." },
} as const;

const timeoutSeconds = "3600";

const command = defineCommand({
  args: flags,
  run({ args }): Promise<number> {
    return interruptible((signal) => run(args, signal));
  },
});

type Arguments = ControlArguments & {
  readonly replica?: string | undefined;
  readonly progress?: string | undefined;
  readonly json?: boolean | undefined;
};

async function run(args: Arguments, signal: AbortSignal): Promise<number> {
  const path = onlyDatabase("snapshot", args);
  const client = await runningReplicator("snapshot", { ...args, timeout: args.timeout ?? timeoutSeconds });
  const request = args.replica === undefined ? {} : { replica: args.replica };
  const mode = parseProgressMode("snapshot", args.progress);
  using progress = new Progress("snapshot", args.json === true && mode === "auto" ? "never" : mode);
  let snapshots: SnapshotResponse["snapshots"];
  if (client === undefined) {
    const [config] = await configuredDatabases("snapshot", args);
    if (config === undefined) throw new Error("a path was given");
    const take = async (engine: Engine): Promise<SnapshotResponse["snapshots"]> => {
      await engine.sync({ signal });
      return takeSnapshots(engine, config, { ...request, signal });
    };
    snapshots = await withEngine(config, take, signal, (event) => {
      if (event.type === "progress") progress.update(event.doneBytes, event.totalBytes);
    });
  } else {
    const body = { path, ...request, timeout: client.timeoutMs / 1000 };
    ({ snapshots } = await controlWork<SnapshotResponse>({ ...client, signal }, "/snapshot", body, ({ done, total }) =>
      progress.update(done, total),
    ));
  }
  progress.pause();
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

export const snapshotCommand: Command = { flags, help, run: (args) => invoke("snapshot", command, flags, help, args) };
