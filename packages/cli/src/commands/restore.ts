import { lstatSync, statSync } from "node:fs";
import {
  type Generation,
  formatPosition,
  isLitestreamError,
  openReplica,
  parseGeneration,
  restore as restoreDatabase,
} from "@litestream/core";
import { defineCommand } from "citty";
import { type Config, type ReplicaConfig, defaultConfigPath, readConfigFile } from "../config.ts";
import { formatDurationMs } from "../duration.ts";
import { configFlags } from "../flags.ts";
import { type CommandHelp, invoke } from "../invoke.ts";
import { newestReplica } from "../newest-replica.ts";
import { didYouMean } from "../nearest.ts";
import { oneLine, printError } from "../output.ts";
import { canonicalPath, expandPath } from "../paths.ts";
import { isUrl, parseReplicaLocation } from "../replica-url.ts";
import { formatBytes } from "../size.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...configFlags,
  replica: {
    type: "string",
    valueHint: "NAME",
    description:
      "The replica to restore from, of those that the configuration file gives the database.\n" +
      "Defaults to the replica with the latest data.",
  },
  generation: {
    type: "string",
    valueHint: "NAME",
    description: "The generation to restore.\nDefaults to the generation with the latest data.",
  },
  o: {
    type: "string",
    valueHint: "PATH",
    description: "Where to write the restored database; nothing may be there yet.\nDefaults to DB_PATH.",
  },
  "if-db-not-exists": {
    type: "boolean",
    description: "Does nothing, with exit code 0, if there is a database at the output path already.",
  },
  "if-replica-exists": {
    type: "boolean",
    description: "Does nothing, with exit code 0, if there is no backup.",
  },
  v: { type: "boolean", description: "Says what was restored, also when stderr is not a terminal." },
} as const;

/** Where to restore from, and to. */
interface Target {
  readonly replicas: readonly ReplicaConfig[];
  readonly outputPath: string;
}

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    const verbose = args.v === true || process.stderr.isTTY;
    const target = findTarget(args._, args.config, args["expand-env"], args.o, args.replica);
    const generation = args.generation === undefined ? undefined : parseGeneration(args.generation);
    if (args["if-db-not-exists"] === true && lstatSync(target.outputPath, { throwIfNoEntry: false }) !== undefined) {
      printError(oneLine(`database already exists, skipping: ${target.outputPath}`));
      return 0;
    }
    try {
      await restoreTo(target, generation, verbose);
    } catch (error) {
      if (args["if-replica-exists"] !== true || !isLitestreamError(error, "NO_BACKUP")) throw error;
      printError(oneLine(`no matching backups found, skipping: ${error.message}`));
    }
    return 0;
  },
});

async function restoreTo(target: Target, generation: Generation | undefined, verbose: boolean): Promise<void> {
  const startedMs = performance.now();
  const replica = await newestReplica(
    target.replicas.map((options) => openReplica(options)),
    generation,
  );
  const result = await restoreDatabase({ replica, outputPath: target.outputPath, generation });
  if (result.droppedBytes > 0) {
    printError(
      oneLine(
        `warning: the last ${formatBytes(result.droppedBytes)} of WAL in ${replica.location} are no whole transaction ` +
          "and were left out: its writer was interrupted there, and never reported them as replicated",
      ),
    );
  }
  if (!verbose) return;
  printError(
    oneLine(
      `restored ${target.outputPath} from replica ${replica.name} (${replica.location}) at ` +
        `${formatPosition(result.position)}: ${formatBytes(result.sizeBytes)} ` +
        `in ${formatDurationMs(performance.now() - startedMs)}`,
    ),
  );
}

function findTarget(
  others: readonly string[],
  configPath: string | undefined,
  expandEnv: boolean,
  outputPath: string | undefined,
  replicaName: string | undefined,
): Target {
  const [source, ...rest] = others;
  if (source === undefined || source === "") {
    throw new UsageError("database path or replica URL required", "Write litestream restore -o OUTPUT REPLICA.");
  }
  if (rest.length > 0) throw new UsageError(`too many arguments: ${rest.join(" ")}`, "Restore takes one source.");
  const env = expandEnv ? process.env : undefined;
  if (isUrl(source) && configPath !== undefined) {
    throw new UsageError("cannot take both -config and a replica's URL", "Leave one of them out.");
  }
  if (configPath !== undefined)
    return configuredTarget(readConfigFile(configPath, env), source, outputPath, replicaName);

  // A folder is a replica, even on a machine whose configuration file is gone or broken.
  const path = expandPath(source);
  if (!isUrl(source) && statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const defaultPath = defaultConfigPath();
    const config = fileExists(expandPath(defaultPath)) ? readConfigFile(defaultPath, env) : undefined;
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

function replicaTarget(source: string, outputPath: string | undefined, replicaName: string | undefined): Target {
  const location = parseReplicaLocation(source);
  if (!location.ok) throw new UsageError(location.reason);
  if (replicaName !== undefined) {
    throw new UsageError(
      `-replica ${replicaName} chooses among the replicas of a configured database, and ${source} is a replica itself`,
      "Leave -replica out.",
    );
  }
  if (outputPath === undefined) {
    throw new UsageError("output path required", `Write litestream restore -o OUTPUT ${source}.`);
  }
  return { replicas: [{ type: "file", name: "file", path: location.path }], outputPath: expandPath(outputPath) };
}

function configuredTarget(
  config: Config,
  source: string,
  outputPath: string | undefined,
  replicaName: string | undefined,
): Target {
  const path = expandPath(source);
  const database = config.databases.find((other) => samePath(other.path, path));
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
  return { replicas, outputPath: outputPath === undefined ? database.path : expandPath(outputPath) };
}

function isConfigured(config: Config, path: string): boolean {
  return config.databases.some((database) => samePath(database.path, path));
}

function samePath(path: string, other: string): boolean {
  return canonicalPath(path) === canonicalPath(other);
}

function fileExists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

const help: CommandHelp = {
  about: [
    "Recovers a database from a replica: its latest state, or that of one generation. The output is written beside its",
    "path and moved there when it is whole and verified; a database that is there already is never touched.",
  ].join("\n"),
  usages: ["[arguments] DB_PATH", "[arguments] REPLICA"],
  examples: [
    { purpose: "Restore from a replica's folder.", command: "litestream restore -o /data/app.db /backups/app" },
    { purpose: "The same by URL.", command: "litestream restore -o /data/app.db file:///backups/app" },
    {
      purpose: "Restore a configured database to where it belongs.",
      command: "litestream restore -config litestream.yml /data/app.db",
    },
    {
      purpose:
        "Before the first start of a container: restore if there is something to restore, and nothing there yet.",
      command: "litestream restore -if-db-not-exists -if-replica-exists -o /data/app.db /backups/app",
    },
  ],
};

export function restore(args: readonly string[]): Promise<number> {
  return invoke("restore", command, flags, help, args);
}
