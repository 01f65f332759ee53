import { defineCommand } from "citty";
import { type Config, defaultConfigPath } from "../config/config.ts";
import { configFlags } from "../flags.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { didYouMean } from "../nearest.ts";
import { oneLine, printError, printOut } from "../output.ts";
import { placeOf } from "../places.ts";
import { describeError } from "../report.ts";
import { UsageError } from "../usage-error.ts";

const actions = ["check", "schema"] as const;

const flags = {
  ...configFlags,
  json: { type: "boolean", description: "check: prints what was found as JSON." },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const [word, ...files] = args._;
    const action = actions.find((name) => name === word);
    if (action === undefined) {
      const what = word === undefined ? "nothing to do was named" : `unknown: ${word}${didYouMean(word, actions)}`;
      throw new UsageError(`litestream config: ${what}`, "Write litestream config check, or litestream config schema.");
    }
    if (action === "schema") {
      if (files.length > 0) throw new UsageError(`litestream config schema: too many arguments: ${files.join(" ")}`);
      // By require, so that a bundler embeds it.
      const schema: unknown = require("../../litestream.schema.json");
      printJson(schema);
      return 0;
    }
    const paths = files.length > 0 ? files : [args.config ?? defaultConfigPath()];
    const exitCodes: number[] = [];
    for (const path of paths) exitCodes.push(await check(path, args["expand-env"], args.json === true));
    return Math.max(...exitCodes);
  },
});

async function check(path: string, expandEnv: boolean, isJson: boolean): Promise<number> {
  const { readConfigFile } = await import("../config/config-file.ts");
  let config: Config;
  try {
    config = readConfigFile(path, expandEnv ? process.env : undefined);
  } catch (error) {
    const problems = describeError(error).split("\n");
    if (isJson) printJson({ path, ok: false, problems, warnings: [] });
    else {
      for (const problem of problems) printError(problem);
      printError(`${oneLine(path)}: ${problems.length === 1 ? "1 problem" : `${problems.length} problems`}`);
    }
    return 1;
  }
  if (isJson) {
    printJson({ path, ok: true, problems: [], warnings: config.warnings });
    return 0;
  }
  for (const warning of config.warnings) printError(`warning: ${warning}`);
  printTable(["database", "replica", "place"], rowsOf(config));
  printOut(`${oneLine(path)}: good`);
  return 0;
}

function rowsOf({ databases, directories }: Config): string[][] {
  return [
    ...databases.flatMap(({ path, replicas }) => replicas.map((replica) => [path, replica.name, placeOf(replica)])),
    ...directories.flatMap(({ dir, pattern, template }) =>
      template.replicas.map((replica) => [`${dir}/${pattern}`, replica.name, `${placeOf(replica)}/…`]),
    ),
  ];
}

const help: CommandHelp = {
  about: [
    "check reads a configuration file, and says all that is wrong with it, each with line and column; or what it",
    "makes litestream do. Nothing is started, and nothing but the file is looked at. schema prints the JSON Schema by",
    "which an editor knows the keys of the file.",
  ].join("\n"),
  usages: ["check [arguments] [PATH...]", "schema"],
  examples: [
    { purpose: "Check a file before it is put in place.", command: "litestream config check litestream.yml" },
    { purpose: "Give the schema to an editor.", command: "litestream config schema > litestream.schema.json" },
  ],
};

export const configCommand: Command = { flags, help, run: (args) => invoke("config", command, flags, help, args) };
