import { statSync } from "node:fs";
import {
  type Config,
  type DatabaseConfig,
  type Environment,
  type ReplicaConfig,
  defaultConfigPath,
} from "./config/config.ts";
import { findDatabase } from "./config/find-database.ts";
import { didYouMean } from "./nearest.ts";
import { expandPath } from "./paths.ts";
import { isUrl, parseReplica } from "./replica-url.ts";
import { UsageError } from "./usage-error.ts";

/** Where to restore from, and to. */
export interface RestoreTarget {
  /** As the configuration has it; undefined for a replica that was named itself. */
  readonly database: DatabaseConfig | undefined;
  readonly replicas: readonly ReplicaConfig[];
  readonly outputPath: string;
}

/** What the arguments of `restore` say about that. */
export interface RestoreArguments {
  /** The arguments that are no flags. */
  readonly others: readonly string[];
  readonly configPath: string | undefined;
  readonly expandEnv: boolean;
  readonly outputPath: string | undefined;
  readonly replicaName: string | undefined;
  /** False for a command that only reads: nothing is written to `outputPath`, and none is needed. True where absent. */
  readonly writes?: boolean;
  /** The command's name, for hints: `restore` where absent. */
  readonly command?: string;
}

/** @throws UsageError for arguments that name no source or no output; LitestreamError CONFIG_INVALID */
export async function findRestoreTarget(args: RestoreArguments): Promise<RestoreTarget> {
  const { others, configPath, expandEnv, replicaName, writes = true, command = "restore" } = args;
  const outputPath = writes ? args.outputPath : "";
  const [source, ...rest] = others;
  if (source === undefined || source === "") {
    throw new UsageError(
      "database path or replica URL required",
      `Write litestream ${command}${writes ? " -o OUTPUT" : ""} REPLICA.`,
    );
  }
  if (rest.length > 0)
    throw new UsageError(`too many arguments: ${rest.join(" ")}`, `litestream ${command} takes one source.`);
  const env = expandEnv ? process.env : undefined;
  if (isUrl(source) && configPath !== undefined) {
    throw new UsageError("cannot take both -config and a replica's URL", "Leave one of them out.");
  }
  if (configPath !== undefined)
    return configuredTarget(await readConfig(configPath, env), source, outputPath, replicaName);

  // A folder is a replica, even on a machine whose configuration file is gone or broken.
  const path = expandPath(source);
  if (!isUrl(source) && statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const defaultPath = defaultConfigPath();
    const config = fileExists(expandPath(defaultPath)) ? await readConfig(defaultPath, env) : undefined;
    if (config !== undefined && isConfigured(config, path)) {
      return configuredTarget(config, source, outputPath, replicaName);
    }
    if (fileExists(path)) {
      throw new UsageError(
        `${path} is a file, not a replica${config === undefined ? "" : `, and not a database of ${defaultPath}`}`,
        "Name the replica's folder, or with -config FILE the configuration that has this database.",
      );
    }
  }
  return replicaTarget(source, outputPath, replicaName);
}

/** The parser and the schema are loaded only for who has a configuration file. */
async function readConfig(path: string, env: Environment | undefined): Promise<Config> {
  const { readConfigFile } = await import("./config/config-file.ts");
  return readConfigFile(path, env);
}

function replicaTarget(source: string, outputPath: string | undefined, replicaName: string | undefined): RestoreTarget {
  const replica = parseReplica(source);
  if (replicaName !== undefined) {
    throw new UsageError(
      `-replica ${replicaName} chooses among the replicas of a configured database, and ${source} is a replica itself`,
      "Leave -replica out.",
    );
  }
  if (outputPath === undefined) {
    throw new UsageError("output path required", `Write litestream restore -o OUTPUT ${source}.`);
  }
  return {
    database: undefined,
    replicas: [{ ...replica, name: replica.type ?? "file" }],
    outputPath: expandPath(outputPath),
  };
}

function configuredTarget(
  config: Config,
  source: string,
  outputPath: string | undefined,
  replicaName: string | undefined,
): RestoreTarget {
  const path = expandPath(source);
  const database = findDatabase(config, path);
  if (database === undefined) {
    const paths = config.databases.map((other) => other.path);
    throw new UsageError(
      `database not found in config: ${path}${didYouMean(path, paths) || `; it has ${paths.join(", ")}`}`,
    );
  }
  const replicas = database.replicas.filter(({ name }) => replicaName === undefined || name === replicaName);
  if (replicas.length === 0 && replicaName !== undefined) {
    const names = database.replicas.map(({ name }) => name);
    const guess = didYouMean(replicaName, names) || `; it has ${names.join(", ")}`;
    throw new UsageError(`${path} has no replica "${replicaName}" in the config${guess}`);
  }
  return { database, replicas, outputPath: outputPath === undefined ? database.path : expandPath(outputPath) };
}

function isConfigured(config: Config, path: string): boolean {
  return findDatabase(config, path) !== undefined;
}

function fileExists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
