import { resolve } from "node:path";
import { Litestream, type LitestreamEvent } from "@litestream/core";
import { defineCommand } from "citty";
import { hasColor } from "../color.ts";
import {
  type Config,
  type DatabaseConfig,
  defaultConfig,
  defaultConfigPath,
  type ReplicaConfig,
} from "../config/config.ts";
import { databasesOf } from "../config/find-database.ts";
import { configFlags } from "../flags.ts";
import { Interrupt, signalExitCode } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { Log } from "../log/log.ts";
import { type LogLevel, logLevels } from "../log/record.ts";
import { didYouMean } from "../nearest.ts";
import { printError, printOut } from "../output.ts";
import { expandPath } from "../paths.ts";
import { checkPlaces, placeOf } from "../places.ts";
import { restoreIfMissing } from "../prepare-database.ts";
import { Replicator } from "../replicator.ts";
import { isUrl, parseReplica } from "../replica-url.ts";
import { describeError } from "../report.ts";
import { replicateOnce } from "../run-once.ts";
import { incompleteExitCode, Service } from "../service.ts";
import type { Prepare } from "../supervisor/managed-database.ts";
import { Trace } from "../trace.ts";
import { UsageError } from "../usage-error.ts";
import { version } from "../version.ts";

const flags = {
  ...configFlags,
  exec: {
    type: "string",
    valueHint: "COMMAND",
    description: "Runs an application beside replication, and ends with it: after a last sync, with its exit code.",
  },
  once: { type: "boolean", description: "Replicates what is there, and ends." },
  "force-snapshot": { type: "boolean", description: "With -once: takes a new snapshot, too." },
  "enforce-retention": { type: "boolean", description: "With -once: deletes what retention no longer needs, too." },
  "restore-if-db-not-exists": {
    type: "boolean",
    description: "Restores a database that is not there before its replication starts, if there is a backup.",
  },
  "log-level": {
    type: "string",
    valueHint: "LEVEL",
    description:
      "The least level that is logged: trace, debug, info, warn or error.\n" +
      "Defaults to that of the configuration file, then info.",
  },
  socket: {
    type: "string",
    valueHint: "PATH",
    description: "Listens at this control socket, for litestream status, sync, snapshot, stop and others.",
  },
  trace: {
    type: "string",
    valueHint: "PATH",
    description: "Appends each event to PATH, as one line of JSON.",
  },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const [dbPath] = args._;
    const overrides = overridesOf(args);
    const configPath = args.config ?? defaultConfigPath();
    const reread = await rereaderOf(dbPath === undefined ? configPath : undefined, args["expand-env"]);
    const read = (): Config => overrides(reread?.() ?? configOfArguments(args._, args.config));
    const config = read();
    checkOnce(args, config);

    const { stream, level, type } = config.logging;
    const isColored = hasColor(process[stream]);
    const log = new Log({ write: stream === "stdout" ? printOut : printError, level, type, isColored });
    log.preface(`litestream ${version()}, process ${process.pid}`);
    for (const warning of config.warnings) log.preface(warning, "warn");
    using trace = openTrace(args.trace, config.databases, log);
    const onEvent = (event: LitestreamEvent): void => {
      trace?.observe(event);
      log.observe(event);
    };
    sayReplicas(config, log);
    const prepare: Prepare = (database, signal) => restoreIfMissing(database, log, signal);
    if (args.once === true) {
      using interrupt = new Interrupt();
      const complete = await replicateOnce({
        databases: databasesOf(config),
        createEngine: (options) => new Litestream({ ...options, engine: "inline", monitorEnabled: false, onEvent }),
        prepare,
        log,
        forceSnapshot: args["force-snapshot"] === true,
        enforceRetention: args["enforce-retention"] === true,
        signal: interrupt.signal,
      });
      if (interrupt.received !== undefined) return signalExitCode(interrupt.received);
      return complete ? 0 : incompleteExitCode;
    }
    const replicator = new Replicator({
      config,
      log,
      createEngine: (options) => new Litestream({ ...options, engine: "inline", onEvent }),
      prepare,
      reread: reread === undefined ? undefined : read,
      configArguments: dbPath === undefined ? configArguments(configPath, args["expand-env"]) : undefined,
    });
    // Not before it ends is the trace closed.
    return await new Service(replicator, log).run();
  },
});

/** How another command is told of the same configuration, from wherever it is run. */
function configArguments(path: string, expandEnv: boolean): readonly string[] {
  return ["-config", resolve(expandPath(path)), ...(expandEnv ? [] : ["-no-expand-env"])];
}

type Arguments = Readonly<Record<"exec" | "log-level" | "socket", string | undefined>> &
  Readonly<Record<"once" | "force-snapshot" | "enforce-retention" | "restore-if-db-not-exists", boolean | undefined>>;

/** What stands in the configuration, changed by what the command line says. */
function overridesOf(args: Partial<Arguments>): (config: Config) => Config {
  const level = args["log-level"] ?? process.env["LOG_LEVEL"];
  const logLevel = level === undefined || level === "" ? undefined : parseLogLevel(level);
  const { exec, socket } = args;
  return (config) => ({
    ...config,
    ...(exec !== undefined && { exec }),
    ...(logLevel !== undefined && { logging: { ...config.logging, level: logLevel } }),
    ...(socket !== undefined && { socket: { ...config.socket, isEnabled: true, path: expandPath(socket) } }),
    ...(args["restore-if-db-not-exists"] === true && {
      databases: config.databases.map((database) => ({ ...database, restoreIfDbNotExists: true })),
    }),
  });
}

function parseLogLevel(text: string): LogLevel {
  const wanted = text.toLowerCase() === "warning" ? "warn" : text.toLowerCase();
  const level = logLevels.find((name) => name === wanted);
  if (level !== undefined) return level;
  const guess = didYouMean(wanted, logLevels);
  throw new UsageError(`litestream replicate: -log-level is ${logLevels.join(", ")}, not "${text}"${guess}`);
}

function checkOnce(args: Partial<Arguments>, config: Config): void {
  if (args.once === true) {
    if (config.exec !== undefined) throw new UsageError("cannot take both -once and -exec", "Leave one of them out.");
    return;
  }
  for (const flag of ["force-snapshot", "enforce-retention"] as const) {
    if (args[flag] !== true) continue;
    const instead = flag === "force-snapshot" ? " To snapshot what is replicated now, run litestream snapshot." : "";
    throw new UsageError(`cannot take -${flag} without -once`, `Add -once.${instead}`);
  }
}

/** Reads the file each time it is called; undefined without a file. */
async function rereaderOf(path: string | undefined, expandEnv: boolean): Promise<(() => Config) | undefined> {
  if (path === undefined) return undefined;
  const { readConfigFile } = await import("../config/config-file.ts");
  return () => readConfigFile(path, expandEnv ? process.env : undefined);
}

function configOfArguments([dbPath = "", ...replicas]: readonly string[], configPath: string | undefined): Config {
  if (configPath !== undefined) {
    throw new UsageError(
      "cannot take both -config and a database with replicas as arguments",
      "Leave one of them out.",
    );
  }
  const path = dbPath.replace(/^sqlite3?:\/\//, "");
  if (path === "") throw new UsageError("the database's path is empty");
  if (isUrl(path)) throw new UsageError(`the first argument is the database, a file on this machine, not ${path}`);
  if (replicas.length === 0) {
    throw new UsageError(
      `must specify at least one replica for ${path}`,
      `Write litestream replicate ${path} REPLICA, where REPLICA is a folder or a URL.`,
    );
  }
  const database = { path: expandPath(path), replicas: namedReplicas(replicas) };
  checkPlaces([database]);
  return { ...defaultConfig, databases: [database] };
}

/** A replica is known by its type; the command line has no way to name a second one. */
function namedReplicas(locations: readonly string[]): ReplicaConfig[] {
  const counts = new Map<string, number>();
  return locations.map((location) => {
    const replica = parseReplica(location);
    const type = replica.type ?? "file";
    const count = (counts.get(type) ?? 0) + 1;
    counts.set(type, count);
    return { ...replica, name: count === 1 ? type : `${type}-${count}` };
  });
}

function sayReplicas({ databases }: Config, log: Log): void {
  for (const { path, replicas } of databases) {
    for (const replica of replicas) {
      log.preface(`replicating to ${placeOf(replica)} (replica ${replica.name})`, "info", path);
    }
  }
  const isWhole = (replica: ReplicaConfig): boolean =>
    replica.type !== "s3" && replica.type !== "url" && replica.layout !== "segments";
  if (!databases.some(({ replicas }) => replicas.some(isWhole))) return;
  log.preface(
    "file replicas are written as Litestream 0.3.4 does (layout whole); Litestream 0.3.5 and later do not read them",
  );
}

function openTrace(path: string | undefined, databases: readonly DatabaseConfig[], log: Log): Trace | undefined {
  if (path === undefined) return undefined;
  return new Trace(
    path,
    databases.map((database) => database.path),
    (error) => log.warn(`the trace ends here, replication goes on: ${describeError(error)}`),
  );
}

const help: CommandHelp = {
  about: [
    "Replicates SQLite databases continuously, until it is stopped. The databases and their replicas come from a",
    "configuration file, or one database and its replicas from the command line. A database that is not there yet is",
    "waited for. SIGINT or SIGTERM ends with a last sync; a second one ends at once. SIGHUP reads the configuration",
    "file again: databases whose settings are the same go on untouched.",
  ].join("\n"),
  usages: ["[arguments]", "[arguments] DB_PATH REPLICA [REPLICA...]"],
  examples: [
    { purpose: "Replicate one database into a folder.", command: "litestream replicate /data/app.db /backups/app" },
    { purpose: "Replicate all databases of a file.", command: "litestream replicate -config litestream.yml" },
    {
      purpose: "Run an application beside it, as in a container.",
      command: 'litestream replicate -exec "app -port 80" /data/app.db /backups/app',
    },
    {
      purpose: "Bring replicas up to date from cron, with a new snapshot.",
      command: "litestream replicate -once -force-snapshot -config litestream.yml",
    },
  ],
};

export const replicateCommand: Command = {
  flags,
  help,
  run: (args) => invoke("replicate", command, flags, help, args),
};
