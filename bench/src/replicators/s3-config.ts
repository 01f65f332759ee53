import { join } from "node:path";
import type { S3ReplicaOptions } from "@litestream/core";
import type { ReplicaSettings } from "./running.ts";

/** Such as all releases read. */
export function s3Replica(options: S3ReplicaOptions): ReplicaSettings {
  return {
    type: "s3",
    bucket: options.bucket,
    path: options.path,
    endpoint: options.endpoint,
    region: "us-east-1",
    "force-path-style": true,
    "access-key-id": options.accessKeyId,
    "secret-access-key": options.secretAccessKey,
  };
}

/** A configuration for `app.db` in the folder. @returns its path */
export async function writeS3Config(folder: string, options: S3ReplicaOptions): Promise<string> {
  const configPath = join(folder, "litestream.yml");
  const database = { path: join(folder, "app.db"), replicas: [s3Replica(options)] };
  await Bun.write(configPath, JSON.stringify({ dbs: [database] }));
  return configPath;
}
