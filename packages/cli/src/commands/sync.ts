import { formatPosition } from "@litestream/core";
import { defineCommand } from "citty";
import { controlRequest } from "../control/client.ts";
import {
  type ControlArguments,
  configuredDatabases,
  controlFlags,
  onlyDatabase,
  runningReplicator,
} from "../control/connect.ts";
import type { SyncResponse } from "../control/protocol.ts";
import { withEngine } from "../direct.ts";
import { interruptible } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printPairs } from "../listing.ts";

const flags = {
  ...controlFlags,
  wait: { type: "boolean", description: "Until every replica has everything that is committed now." },
} as const;

const command = defineCommand({
  args: flags,
  run({ args }): Promise<number> {
    return interruptible((signal) => run(args, signal));
  },
});

type Arguments = ControlArguments & { readonly wait?: boolean | undefined; readonly json?: boolean | undefined };

async function run(args: Arguments, signal: AbortSignal): Promise<number> {
  const path = onlyDatabase("sync", args);
  const client = await runningReplicator("sync", args);
  const startedAtMs = performance.now();
  let position: string | null;
  let replicated: string | null;
  if (client === undefined) {
    // Without a replicator there is nobody to go on with it: it is waited for.
    const [config] = await configuredDatabases("sync", args);
    if (config === undefined) throw new Error("a path was given");
    position = formatPosition(await withEngine(config, (engine) => engine.sync({ signal }), signal));
    replicated = position;
  } else {
    const body = { path, wait: args.wait === true, timeout: client.timeoutMs / 1000 };
    ({ position, replicated_position: replicated } = await controlRequest<SyncResponse>(client, "POST", "/sync", body));
  }
  const result = {
    db_path: path,
    position,
    ...(replicated !== null && { replica_position: replicated }),
    duration_ms: Math.round(performance.now() - startedAtMs),
  };
  if (args.json === true) printJson(result);
  else printPairs(result);
  return 0;
}

const help: CommandHelp = {
  about: [
    "Replicates a database now. A replicator that runs is asked by its control socket, and goes on by itself unless",
    "-wait is given; without one, the database of the configuration file is replicated once.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH"],
  examples: [{ purpose: "Before a deployment.", command: "litestream sync -wait -timeout 120 /data/app.db" }],
};

export const syncCommand: Command = { flags, help, run: (args) => invoke("sync", command, flags, help, args) };
