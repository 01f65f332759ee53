import { writeFile } from "node:fs/promises";

/** A database's keys of litestream.yml, by the names they have there. */
export interface DatabaseSettings {
  readonly "monitor-interval"?: string;
  readonly "checkpoint-interval"?: string;
  readonly "min-checkpoint-page-count"?: number;
  readonly "max-checkpoint-page-count"?: number;
  readonly "busy-timeout"?: string;
}

/** Writes a litestream.yml with one database and one replica, such as Litestream and we read alike. */
export async function writeConfigFile(
  path: string,
  dbPath: string,
  replicaPath: string,
  settings: DatabaseSettings = {},
): Promise<void> {
  const database = { path: dbPath, ...settings, replicas: [{ type: "file", path: replicaPath }] };
  // JSON is YAML.
  await writeFile(path, `${JSON.stringify({ dbs: [database] }, null, 2)}\n`);
}
