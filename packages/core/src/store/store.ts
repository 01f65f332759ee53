/** An object as a listing shows it. `key` is relative to the store's root, with `/` between its parts. */
export interface StoreEntry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** The same in nanoseconds since 1970, where the store knows it that well. */
  readonly modifiedAtNs?: bigint;
  /** Another one for every content that the key had: an ETag. Undefined where the store knows no such thing. */
  readonly identity?: string;
}

export interface ReadOptions {
  /** First byte to read; 0 when absent. */
  readonly offset?: number;
  /** Where to end, before this byte; the object's end when absent, and if that comes first. */
  readonly endOffset?: number;
  /** Only of this content, as it was listed: OBJECT_CHANGED where the key has another one by now. */
  readonly identity?: string;
  readonly signal?: AbortSignal;
}

export interface PutOptions {
  /** About how many bytes will come, where that is known: large objects are cut into parts accordingly. */
  readonly sizeHintBytes?: number;
}

/**
 * Where a replica's objects live. Keys are relative to the store's root. Every failure is a `LitestreamError`:
 * OBJECT_MISSING for a key that is not there, REPLICA_UNAVAILABLE for a store that cannot be used now.
 */
export interface ReadableStore {
  /** For people: a folder, or a URL without secrets. */
  readonly location: string;
  /** How many objects are worth reading at the same time: where each costs the way there and back. One where absent. */
  readonly readsAtOnce?: number;
  /** All objects whose key begins with `prefix`, in the order of their keys. An absent root lists nothing. */
  list(prefix: string, signal?: AbortSignal): Promise<StoreEntry[]>;
  /**
   * The object's bytes; none from its end on. A chunk belongs to the caller until it asks for the next one. A store
   * behind a network goes on by itself where a connection broke, within one and the same content of the object.
   */
  read(key: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
}

export interface Store extends ReadableStore {
  /** Stores a whole object durably: it is either there with all its bytes, verified, or not at all. */
  put(
    key: string,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    options?: PutOptions,
  ): Promise<{ sizeBytes: number }>;
  /** Deletes objects; one that is already gone is not an error. Fails, naming them, if any could not be deleted. */
  delete(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  /**
   * Removes what writes left unfinished when they were killed, which no listing shows. To be called while nothing is
   * written there.
   * @param prefix of the keys: a folder's, with a slash at its end, or one whole key, which some stores need
   * @returns the keys
   */
  removeUnfinished?(prefix: string, signal?: AbortSignal): Promise<string[]>;
  /** Removes the folders at and below `key` in which nothing is left, where a store has folders. */
  removeEmptyFolders?(key: string): Promise<void>;
  /** Writes that depend on what is there, where the store can do that. */
  readonly conditional?: ConditionalStore;
}

/** Small objects that are replaced only if they are what the writer thinks they are. */
export interface ConditionalStore {
  /** Undefined where there is none. */
  get(
    key: string,
    signal?: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array; readonly identity: string } | undefined>;
  /**
   * Writes the object if `before` is still its identity; if there is none yet, where that is undefined.
   * @returns its new identity, or what kept it from being written: it has `changed`, or the server is `unable` to obey
   */
  putIf(
    key: string,
    bytes: Uint8Array,
    before: string | undefined,
    signal?: AbortSignal,
  ): Promise<{ readonly identity: string } | "changed" | "unable">;
}
