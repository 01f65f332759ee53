import { LitestreamError } from "./errors.ts";
import { StoreReplicaReader } from "./layout/reader.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { ReplicaReader } from "./replica-reader.ts";
import { FileStore } from "./store/file.ts";

/**
 * Opens a replica to list and restore it, without a database beside it. Nothing is looked at before it is used.
 * @throws LitestreamError CONFIG_INVALID
 */
export function openReplica(options: ReplicaOptions): ReplicaReader {
  if (options.type === "s3" || options.type === "url") {
    throw new LitestreamError("CONFIG_INVALID", `${options.type} replicas are not read yet`, {
      hint: "Use a folder.",
    });
  }
  const type = options.type ?? "file";
  const store = new FileStore(options.path);
  return new StoreReplicaReader(store, { type, name: options.name ?? type, leaseStore: store });
}
