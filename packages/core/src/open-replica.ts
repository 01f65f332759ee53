import { StoreReplicaReader } from "./layout/reader.ts";
import type { ReplicaReader } from "./replica-reader.ts";
import { FileStore } from "./store/file.ts";
import type { ReplicaOptions } from "./litestream.ts";

/** Opens a replica to list and restore it, without a database beside it. Nothing is looked at before it is used. */
export function openReplica(options: ReplicaOptions): ReplicaReader {
  const type = options.type ?? "file";
  return new StoreReplicaReader(new FileStore(options.path), { type, name: options.name ?? type });
}
