import type { FileOwner } from "../file-owner.ts";
import type { ReplicaOptions } from "../replica-options.ts";
import { FileStore } from "./file.ts";
import { openRegisteredStore, schemeOf } from "./registry.ts";
import type { RequestRecord } from "./s3/client.ts";
import { S3Store } from "./s3/store.ts";
import type { Store } from "./store.ts";

export interface OpenStoreOptions {
  /** Mode and owner of what is created, where the store knows such things. */
  readonly owner?: FileOwner;
  readonly onRequest?: (record: RequestRecord) => void;
}

/**
 * The store that a replica lives in. Nothing is looked at before it is used.
 * @throws LitestreamError CONFIG_INVALID
 */
export function openStore(options: ReplicaOptions, parts: OpenStoreOptions = {}): Store {
  const { onRequest = () => undefined, owner } = parts;
  if (options.type === "s3") return new S3Store(options, { onRequest });
  if (options.type === "url") return openRegisteredStore(options.url, { onRequest });
  return new FileStore(options.path, owner === undefined ? {} : { owner });
}

/** `file`, `s3`, or the scheme of a registered store: also the name of a replica that was given none. */
export function replicaType(options: ReplicaOptions): string {
  return options.type === "url" ? schemeOf(options.url) : (options.type ?? "file");
}
