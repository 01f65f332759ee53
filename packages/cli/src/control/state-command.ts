import { defineCommand } from "citty";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printPairs } from "../listing.ts";
import { controlRequest } from "./client.ts";
import { controlClient, controlFlags, onlyDatabase } from "./connect.ts";
import type { StateResponse } from "./protocol.ts";

/** A command that changes what a replicator does with one database: `POST /NAME`. */
export function stateCommand(options: {
  readonly name: "start" | "stop" | "unregister";
  readonly about: string;
  readonly example: CommandHelp["examples"][number];
}): Command {
  const { name, about, example } = options;
  const command = defineCommand({
    args: controlFlags,
    async run({ args }): Promise<number> {
      const path = onlyDatabase(name, args);
      const client = await controlClient(name, args);
      const body = { path, timeout: client.timeoutMs / 1000 };
      const answer = await controlRequest<StateResponse>(client, "POST", `/${name}`, body);
      const { status, position } = answer;
      if (args.json === true) printJson({ status, path: answer.path, position });
      else printPairs({ db_path: answer.path, status, ...(position !== null && { position }) });
      return 0;
    },
  });
  const help: CommandHelp = { about, usages: ["[arguments] DB_PATH"], examples: [example] };
  return { flags: controlFlags, help, run: (args) => invoke(name, command, controlFlags, help, args) };
}
