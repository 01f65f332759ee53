import { defineCommand } from "citty";
import { defaultConfigPath } from "../config/config.ts";
import { databasesOf } from "../config/find-database.ts";
import { configFlags } from "../flags.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...configFlags,
  json: { type: "boolean", description: "Prints the list as JSON." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    if (args._.length > 0) throw new UsageError("litestream databases: too many arguments", "It takes none.");
    const { readConfigFile } = await import("../config/config-file.ts");
    const path = args.config ?? defaultConfigPath();
    const config = readConfigFile(path, args["expand-env"] ? process.env : undefined);
    const databases = databasesOf(config).map(({ path: database, replicas }) => ({
      path: database,
      replicas: replicas.map(({ name }) => name),
    }));
    if (args.json === true) {
      printJson(databases.map(({ path: database, replicas }) => ({ path: database, replica: replicas[0], replicas })));
    } else {
      printTable(
        ["path", "replicas"],
        databases.map(({ path: database, replicas }) => [database, replicas.join(",")]),
      );
    }
    return 0;
  },
});

const help: CommandHelp = {
  about: "Lists the databases of the configuration file, also those that its folders hold now, and their replicas.",
  usages: ["[arguments]"],
  examples: [{ purpose: "List the databases of a file.", command: "litestream databases -config litestream.yml" }],
};

export const databasesCommand: Command = {
  flags,
  help,
  run: (args) => invoke("databases", command, flags, help, args),
};
