import { defineCommand } from "citty";
import { controlRequest } from "../control/client.ts";
import { controlClient, controlFlags, onlyDatabase } from "../control/connect.ts";
import type { StateResponse } from "../control/protocol.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printPairs } from "../listing.ts";
import { expandPath } from "../paths.ts";
import { isUrl } from "../replica-url.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...controlFlags,
  replica: { type: "string", valueHint: "REPLICA", description: "Where to replicate it to: a folder or a URL." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const path = onlyDatabase("register", args);
    if (args.replica === undefined) {
      throw new UsageError("-replica is required", `Write litestream register -replica s3://bucket/app ${path}.`);
    }
    const client = await controlClient("register", args);
    const replica = isUrl(args.replica) ? args.replica : expandPath(args.replica);
    const answer = await controlRequest<StateResponse>(client, "POST", "/register", { path, replica_url: replica });
    if (args.json === true) printJson({ status: answer.status, path: answer.path });
    else printPairs({ db_path: answer.path, status: answer.status });
    return 0;
  },
});

const help: CommandHelp = {
  about: [
    "Has a running replicator replicate one more database, until it ends. To keep it for longer, write it into the",
    "configuration file.",
  ].join("\n"),
  usages: ["[arguments] -replica REPLICA DB_PATH"],
  examples: [{ purpose: "Into a folder.", command: "litestream register -replica /backups/new /data/new.db" }],
};

export const registerCommand: Command = { flags, help, run: (args) => invoke("register", command, flags, help, args) };
