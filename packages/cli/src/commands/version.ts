import { defineCommand } from "citty";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printOut } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { version } from "../version.ts";

const flags = {};

const command = defineCommand({
  args: flags,
  run({ args }): number {
    if (args._.length > 0) throw new UsageError("litestream version: too many arguments", "It takes none.");
    printOut(version());
    return 0;
  },
});

const about: CommandHelp = { about: "Prints the version of this command.", usages: [""], examples: [] };

export const versionCommand: Command = {
  flags,
  help: about,
  run: (args) => invoke("version", command, flags, about, args),
};
