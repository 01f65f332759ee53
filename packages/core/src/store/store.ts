/** An object as a listing shows it. `key` is relative to the store's root, with `/` between its parts. */
export interface StoreEntry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** The same in nanoseconds since 1970, where the store knows it that well. */
  readonly modifiedAtNs?: bigint;
}

export interface ReadOptions {
  /** First byte to read; 0 when absent. */
  readonly offset?: number;
  readonly signal?: AbortSignal;
}

/**
 * Where a replica's objects live. Keys are relative to the store's root. Every failure is a `LitestreamError`:
 * OBJECT_MISSING for a key that is not there, REPLICA_UNAVAILABLE for a store that cannot be used now.
 */
export interface ReadableStore {
  /** For people: a folder, or a URL without secrets. */
  readonly location: string;
  /** All objects whose key begins with `prefix`, in the order of their keys. An absent root lists nothing. */
  list(prefix: string, signal?: AbortSignal): Promise<StoreEntry[]>;
  /** The object's bytes. A chunk belongs to the caller until it asks for the next one. */
  read(key: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
}

export interface Store extends ReadableStore {
  /** Stores a whole object durably: it is either there with all its bytes, or not at all. */
  put(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ sizeBytes: number }>;
  /** Deletes objects; one that is already gone is not an error. */
  delete(keys: readonly string[], signal?: AbortSignal): Promise<void>;
}
