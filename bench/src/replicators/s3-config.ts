import type { S3ReplicaOptions } from "@litestream/core";
import type { TempFolder } from "@litestream/testkit";

/** A configuration for `app.db` in the folder, such as all releases read. @returns its path */
export async function writeS3Config(folder: TempFolder, options: S3ReplicaOptions): Promise<string> {
  const replica = {
    type: "s3",
    bucket: options.bucket,
    path: options.path,
    endpoint: options.endpoint,
    region: "us-east-1",
    "force-path-style": true,
    "access-key-id": options.accessKeyId,
    "secret-access-key": options.secretAccessKey,
  };
  const configPath = folder.join("litestream.yml");
  await Bun.write(configPath, JSON.stringify({ dbs: [{ path: folder.join("app.db"), replicas: [replica] }] }));
  return configPath;
}
