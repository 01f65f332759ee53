import { StoreReplicaReader } from "./layout/reader.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { ReplicaReader } from "./replica-reader.ts";
import { openStore, type OpenStoreOptions, replicaType } from "./store/open-store.ts";

/**
 * Opens a replica to list and restore it, without a database beside it. Nothing is looked at before it is used.
 * @throws LitestreamError CONFIG_INVALID
 */
export function openReplica(
  options: ReplicaOptions,
  { onRequest }: Pick<OpenStoreOptions, "onRequest"> = {},
): ReplicaReader {
  const type = replicaType(options);
  const store = openStore(options, onRequest === undefined ? {} : { onRequest });
  return new StoreReplicaReader(store, { type, name: options.name ?? type, leaseStore: store });
}
