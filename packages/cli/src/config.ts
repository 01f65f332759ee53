import type { FileReplicaOptions, LitestreamOptions } from "@litestream/core";

/** A replica with the name that it is known by on the command line and in the log. */
export type ReplicaConfig = FileReplicaOptions & { readonly name: string };
export type DatabaseConfig = Omit<LitestreamOptions, "onEvent" | "replicas"> & {
  readonly replicas: readonly ReplicaConfig[];
};

export interface Config {
  readonly databases: readonly DatabaseConfig[];
  /** One line each: what was read and will not be done. */
  readonly warnings: readonly string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

export function defaultConfigPath(env: Environment = process.env): string {
  return env["LITESTREAM_CONFIG"] || "/etc/litestream.yml";
}
