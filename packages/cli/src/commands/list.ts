import { defineCommand } from "citty";
import { controlRequest } from "../control/client.ts";
import { controlClient, controlFlags } from "../control/connect.ts";
import type { ListResponse } from "../control/protocol.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { UsageError } from "../usage-error.ts";

const command = defineCommand({
  args: controlFlags,
  async run({ args }): Promise<number> {
    if (args._.length > 0) throw new UsageError("litestream list: too many arguments", "It takes none.");
    const answer = await controlRequest<ListResponse>(await controlClient("list", args), "GET", "/list");
    if (args.json === true) printJson(answer);
    else {
      printTable(
        ["path", "status", "last sync"],
        answer.databases.map(({ path, status, last_sync_at: at }) => [
          path,
          status,
          at?.replace(/\.\d+Z$/, "Z") ?? "never",
        ]),
      );
    }
    return 0;
  },
});

const help: CommandHelp = {
  about: "Lists the databases of a running replicator, and when all their replicas were last up to date.",
  usages: ["[arguments]"],
  examples: [{ purpose: "Of the replicator at a socket.", command: "litestream list -socket /run/litestream.sock" }],
};

export const listCommand: Command = {
  flags: controlFlags,
  help,
  run: (args) => invoke("list", command, controlFlags, help, args),
};
