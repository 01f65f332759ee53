import { readFileSync } from "node:fs";
import { LitestreamError, errorMessage } from "@litestream/core";
import { expandPath } from "../paths.ts";
import { hideSecret } from "../secrets.ts";
import { type Config, defaultConfig, type Environment, type LoggingConfig, type SocketConfig } from "./config.ts";
import { checkPlaces, readDatabase } from "./databases.ts";
import { withoutUndefined } from "./replica.ts";
import type { ConfigFields } from "./schema.ts";
import { checkShape } from "./shape.ts";
import { YamlFile } from "./yaml-file.ts";

const heartbeatIntervalMs = 300_000;

/**
 * Reads and checks a configuration file. `env` is undefined to leave `$NAME` as it is.
 * @throws ConfigError with everything that is wrong, or LitestreamError CONFIG_INVALID for a file that cannot be read
 */
export function readConfigFile(path: string, env: Environment | undefined): Config {
  const expandedPath = expandPath(path);
  let text: string;
  try {
    text = readFileSync(expandedPath, "utf8");
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new LitestreamError(
      "CONFIG_INVALID",
      missing
        ? `config file not found: ${expandedPath}`
        : `cannot read the config file ${expandedPath}: ${errorMessage(cause)}`,
      { path: expandedPath, hint: "Name the file with -config FILE.", cause },
    );
  }
  return parseConfig(text, path, env);
}

/** `readConfigFile` on text; `name` is the file's name in messages. */
export function parseConfig(text: string, name: string, env: Environment | undefined): Config {
  const file = new YamlFile(text, name);
  if (env !== undefined) file.expandEnv(env);
  file.keepText(["socket", "permissions"]);
  const value = file.value();
  file.throwProblems();
  const shape = checkShape(file, value);
  const fields = shape?.fields ?? { dbs: [] };
  if (shape !== undefined) {
    const isListed = !shape.isPartial([]) && fields.socket?.enabled !== true;
    if (isListed && fields.dbs.length === 0) file.problems.add(file.offset(["dbs"]), "dbs lists no database");
  }
  const entries =
    shape === undefined ? [] : fields.dbs.flatMap((db, index) => readDatabase(db, index, file, shape) ?? []);
  checkPlaces(entries, file);
  const config = {
    ...defaultConfig,
    databases: entries.flatMap((entry) => (entry.kind === "database" ? [entry.database] : [])),
    directories: entries.flatMap((entry) => (entry.kind === "directory" ? [entry.directory] : [])),
    ...globalsOf(fields),
  };
  checkIntervals(fields, file);
  file.throwProblems();
  return { ...config, warnings: file.warningLines() };
}

function globalsOf(fields: ConfigFields): Omit<Config, "databases" | "directories" | "warnings"> {
  const heartbeatUrl = fields["heartbeat-url"];
  if (fields["addr-token"] !== undefined) hideSecret(fields["addr-token"]);
  // Its path is the key of who may beat.
  if (heartbeatUrl !== undefined) hideSecret(heartbeatUrl.replace(/^https?:\/\/[^/]*\/?/, ""));
  return {
    logging: loggingOf(fields.logging),
    socket: socketOf(fields.socket),
    ...withoutUndefined({
      addr: fields.addr,
      addrToken: fields["addr-token"],
      lagLimitMs: fields["lag-limit"],
      exec: fields.exec,
    }),
    ...(heartbeatUrl !== undefined && {
      heartbeat: { url: heartbeatUrl, intervalMs: fields["heartbeat-interval"] ?? heartbeatIntervalMs },
    }),
    shutdownSyncTimeoutMs: fields["shutdown-sync-timeout"] ?? defaultConfig.shutdownSyncTimeoutMs,
    shutdownSyncIntervalMs: fields["shutdown-sync-interval"] ?? defaultConfig.shutdownSyncIntervalMs,
  };
}

function loggingOf(fields: ConfigFields["logging"]): LoggingConfig {
  const { level, type, stream } = defaultConfig.logging;
  return {
    level: fields?.level === "warning" ? "warn" : (fields?.level ?? level),
    type: fields?.type ?? type,
    stream: fields?.stderr === false ? "stdout" : stream,
  };
}

function socketOf(fields: ConfigFields["socket"]): SocketConfig {
  const { path, mode } = defaultConfig.socket;
  return {
    isEnabled: fields?.enabled ?? false,
    path: fields?.path === undefined ? path : expandPath(fields.path),
    mode: fields?.permissions ?? mode,
  };
}

function checkIntervals(fields: ConfigFields, file: YamlFile): void {
  const { "shutdown-sync-timeout": timeout, "shutdown-sync-interval": interval } = fields;
  if (interval !== undefined && interval > (timeout ?? defaultConfig.shutdownSyncTimeoutMs)) {
    file.problems.add(
      file.offset(["shutdown-sync-interval"]),
      "shutdown-sync-interval must not be longer than shutdown-sync-timeout, or the last sync is never tried again",
    );
  }
  if (fields["heartbeat-interval"] !== undefined && fields["heartbeat-url"] === undefined) {
    file.warnings.add(
      file.offset(["heartbeat-interval"]),
      "there is no heartbeat-url, so heartbeat-interval does nothing",
    );
  }
}
