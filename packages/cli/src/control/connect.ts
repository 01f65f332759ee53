import { statSync } from "node:fs";
import { type Config, type DatabaseConfig, defaultConfigPath, defaultSocketPath } from "../config/config.ts";
import { databasesOf, findDatabase } from "../config/find-database.ts";
import { didYouMean } from "../nearest.ts";
import { expandPath } from "../paths.ts";
import { UsageError } from "../usage-error.ts";
import { type ControlClient, isAlive } from "./client.ts";
import { configFlags } from "../flags.ts";

/** The flags of every command that asks a running replicator. */
export const controlFlags = {
  ...configFlags,
  socket: {
    type: "string",
    valueHint: "PATH",
    description:
      "The control socket of the replicator.\n" +
      `Defaults to that of the configuration file, then ${defaultSocketPath}`,
  },
  timeout: { type: "string", valueHint: "SECONDS", description: "How long to wait for it.\nDefaults to 30." },
  json: { type: "boolean", description: "Prints the answer as JSON." },
} as const;

export const progressFlag = {
  type: "string",
  valueHint: "WHEN",
  description: "A progress bar, or lines where stderr is no terminal: auto, always or never.\nDefaults to auto.",
} as const;

export interface ControlArguments {
  readonly _: readonly string[];
  readonly config?: string | undefined;
  readonly "expand-env": boolean;
  readonly socket?: string | undefined;
  readonly timeout?: string | undefined;
}

const timeoutSecondsDefault = 30;

/** Where the replicator would listen, and how long its answer may take. @throws UsageError, ConfigError */
export async function controlClient(command: string, args: ControlArguments): Promise<ControlClient> {
  const timeout = args.timeout ?? String(timeoutSecondsDefault);
  const seconds = Number(timeout.replace(/s$/, ""));
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new UsageError(`litestream ${command}: -timeout is a number of seconds, not "${timeout}"`);
  }
  const timeoutMs = seconds * 1000;
  if (args.socket !== undefined) return { socket: expandPath(args.socket), timeoutMs };
  const config = await readConfig(args);
  return { socket: config?.socket.path ?? defaultSocketPath, timeoutMs };
}

/** The replicator that runs; undefined where none listens. One that was named by -socket must. */
export async function runningReplicator(command: string, args: ControlArguments): Promise<ControlClient | undefined> {
  const client = await controlClient(command, args);
  return args.socket !== undefined || (await isAlive(client.socket)) ? client : undefined;
}

/** The configuration; undefined where none was named and there is none. @throws ConfigError */
export async function readConfig(args: ControlArguments): Promise<Config | undefined> {
  const path = args.config ?? defaultConfigPath();
  if (args.config === undefined && statSync(expandPath(path), { throwIfNoEntry: false }) === undefined)
    return undefined;
  const { readConfigFile } = await import("../config/config-file.ts");
  return readConfigFile(path, args["expand-env"] ? process.env : undefined);
}

/** The databases that the arguments name; all of them, when they name none. @throws UsageError, ConfigError */
export async function configuredDatabases(command: string, args: ControlArguments): Promise<DatabaseConfig[]> {
  const config = await readConfig(args);
  if (config === undefined) {
    throw new UsageError(
      `litestream ${command}: no replicator listens, and there is no configuration file at ${defaultConfigPath()}`,
      "Name the file with -config, or the replicator's socket with -socket.",
    );
  }
  if (args._.length === 0) return databasesOf(config);
  return args._.map((argument) => {
    const path = expandPath(argument);
    const database = findDatabase(config, path);
    if (database !== undefined) return database;
    const paths = databasesOf(config).map((other) => other.path);
    const guess = didYouMean(path, paths) || `; it has ${paths.join(", ")}`;
    throw new UsageError(`database not found in config: ${path}${guess}`);
  });
}

/** The one database that a command is about, as an absolute path. @throws UsageError */
export function onlyDatabase(command: string, { _: [path, ...others] }: ControlArguments): string {
  if (path === undefined || path === "") {
    throw new UsageError("database path required", `Write litestream ${command} /path/to/db.`);
  }
  if (others.length > 0) throw new UsageError(`too many arguments: ${others.join(" ")}`);
  return expandPath(path);
}
