import { Litestream, type LitestreamEvent } from "@litestream/core";
import { defineCommand } from "citty";
import { type Config, type DatabaseConfig, type ReplicaConfig, defaultConfigPath } from "../config/config.ts";
import { configFlags } from "../flags.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { Log } from "../log.ts";
import { printError } from "../output.ts";
import { expandPath } from "../paths.ts";
import { checkPlaces } from "../places.ts";
import { isUrl, parseReplicaLocation } from "../replica-url.ts";
import { describeError } from "../report.ts";
import { Service } from "../service.ts";
import { Trace } from "../trace.ts";
import { UsageError } from "../usage-error.ts";
import { version } from "../version.ts";

const flags = {
  ...configFlags,
  trace: {
    type: "string",
    valueHint: "PATH",
    description: "Appends each event to PATH, as one line of JSON.",
  },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const config = await configOf(args._, args.config, args["expand-env"]);
    checkPlaces(config.databases);

    const log = new Log({ write: printError });
    log.preface(`litestream ${version()}, process ${process.pid}`);
    for (const warning of config.warnings) log.preface(`warning: ${warning}`);
    using trace = openTrace(args.trace, config.databases, log);
    const onEvent = (event: LitestreamEvent): void => {
      trace?.observe(event);
      log.observe(event);
    };

    for (const { path, replicas } of config.databases) {
      for (const replica of replicas) log.preface(`${path}: replicating to ${replica.path} (replica ${replica.name})`);
    }
    log.preface(
      "file replicas are written as Litestream 0.3.4 does (layout whole); Litestream 0.3.5 and later do not read them",
    );
    const service = new Service(
      config.databases.map((options) => ({
        path: options.path,
        engine: new Litestream({ ...options, engine: "inline", onEvent }),
      })),
      log,
    );
    // Not before it ends is the trace closed.
    return await service.run();
  },
});

async function configOf(
  others: readonly string[],
  configPath: string | undefined,
  expandEnv: boolean,
): Promise<Config> {
  const [dbPath, ...replicas] = others;
  if (dbPath === undefined) {
    const { readConfigFile } = await import("../config/config-file.ts");
    return readConfigFile(configPath ?? defaultConfigPath(), expandEnv ? process.env : undefined);
  }
  if (configPath !== undefined) {
    throw new UsageError(
      "cannot take both -config and a database with replicas as arguments",
      "Leave one of them out.",
    );
  }
  if (dbPath === "") throw new UsageError("the database's path is empty");
  if (isUrl(dbPath)) throw new UsageError(`the first argument is the database, a file on this machine, not ${dbPath}`);
  if (replicas.length === 0) {
    throw new UsageError(
      `must specify at least one replica for ${dbPath}`,
      `Write litestream replicate ${dbPath} REPLICA, where REPLICA is a folder or a file:// URL.`,
    );
  }
  const database = { path: expandPath(dbPath), replicas: replicas.map((replica, index) => replicaOf(replica, index)) };
  return { databases: [database], warnings: [] };
}

function replicaOf(argument: string, index: number): ReplicaConfig {
  const location = parseReplicaLocation(argument);
  if (!location.ok) throw new UsageError(location.reason);
  // A replica is known by its type; the command line has no way to name a second one.
  return { type: "file", name: index === 0 ? "file" : `file-${index + 1}`, path: location.path };
}

function openTrace(path: string | undefined, databases: readonly DatabaseConfig[], log: Log): Trace | undefined {
  if (path === undefined) return undefined;
  return new Trace(
    path,
    databases.map((database) => database.path),
    (error) => log.line(`warning: the trace ends here, replication goes on: ${describeError(error)}`),
  );
}

const help: CommandHelp = {
  about: [
    "Replicates SQLite databases continuously, until it is stopped. The databases and their replicas come from a",
    "configuration file, or one database and its replicas from the command line. A database that is not there yet is",
    "waited for. SIGINT or SIGTERM ends with a last sync; a second one ends at once.",
  ].join("\n"),
  usages: ["[arguments]", "[arguments] DB_PATH REPLICA [REPLICA...]"],
  examples: [
    { purpose: "Replicate one database into a folder.", command: "litestream replicate /data/app.db /backups/app" },
    { purpose: "Replicate all databases of a file.", command: "litestream replicate -config litestream.yml" },
  ],
};

export const replicateCommand: Command = {
  flags,
  help,
  run: (args) => invoke("replicate", command, flags, help, args),
};
