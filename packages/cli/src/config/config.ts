import type { LitestreamOptions, ReplicaOptions } from "@litestream/core";
import type { LogLevel, LogType } from "../log/record.ts";

/** A replica with the name that it is known by on the command line and in the log. */
export type ReplicaConfig = ReplicaOptions & { readonly name: string };

/** One database, as core takes it. */
export type DatabaseConfig = Omit<LitestreamOptions, "onEvent" | "replicas" | "monitorEnabled"> & {
  readonly replicas: readonly ReplicaConfig[];
  /** A database that is not there is restored before its replication starts. */
  readonly restoreIfDbNotExists?: boolean;
};

/** A folder whose databases are all replicated, each to a place of its own below those of `template`. */
export interface DirectoryConfig {
  /** Absolute. */
  readonly dir: string;
  /** Matches the names of files. */
  readonly pattern: string;
  readonly isRecursive: boolean;
  /** Files that come and go are followed. */
  readonly isWatched: boolean;
  /** The folder of the databases' meta-paths; beside each database where absent. */
  readonly metaFolder?: string;
  /** How 0.5 names the folder of a database below `metaFolder`: `app.db-litestream`, or with a dot before it. */
  readonly metaPrefix?: "." | "";
  readonly template: Omit<DatabaseConfig, "path" | "metaPath">;
}

export interface LoggingConfig {
  readonly level: LogLevel;
  readonly type: LogType;
  readonly stream: "stderr" | "stdout";
}

export interface SocketConfig {
  readonly isEnabled: boolean;
  readonly path: string;
  /** Rights of the file. */
  readonly mode: number;
}

export interface Config {
  readonly databases: readonly DatabaseConfig[];
  readonly directories: readonly DirectoryConfig[];
  readonly logging: LoggingConfig;
  readonly socket: SocketConfig;
  readonly addr?: string;
  readonly addrToken?: string;
  readonly lagLimitMs?: number;
  readonly exec?: string;
  readonly shutdownSyncTimeoutMs: number;
  readonly shutdownSyncIntervalMs: number;
  readonly heartbeat?: { readonly url: string; readonly intervalMs: number };
  /** One line each: what was read and will not be done. */
  readonly warnings: readonly string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const defaultSocketPath = "/var/run/litestream.sock";

/** Everything but databases, as it is without a configuration file. */
export const defaultConfig: Config = {
  databases: [],
  directories: [],
  logging: { level: "info", type: "text", stream: "stderr" },
  socket: { isEnabled: false, path: defaultSocketPath, mode: 0o600 },
  shutdownSyncTimeoutMs: 30_000,
  shutdownSyncIntervalMs: 500,
  warnings: [],
};

export function defaultConfigPath(env: Environment = process.env): string {
  return env["LITESTREAM_CONFIG"] || "/etc/litestream.yml";
}
