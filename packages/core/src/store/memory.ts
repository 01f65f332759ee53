import { throwIfAborted } from "../abort.ts";
import { LitestreamError } from "../errors.ts";
import type { ConditionalStore, ReadOptions, Store, StoreEntry } from "./store.ts";

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly modifiedAt: Date;
  readonly identity: string;
}

/** Objects in memory: for tests, and as the least that a store is. */
export class MemoryStore implements Store {
  readonly location: string;
  readonly #objects = new Map<string, StoredObject>();
  #writes = 0;

  constructor(location: string = "memory") {
    this.location = location;
  }

  async list(prefix: string, signal?: AbortSignal): Promise<StoreEntry[]> {
    throwIfAborted(signal, `listing ${this.location}`);
    return [...this.#objects]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { bytes, modifiedAt, identity }]) => ({ key, sizeBytes: bytes.byteLength, modifiedAt, identity }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  async *read(key: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset = 0, endOffset = Infinity, identity, signal } = options;
    throwIfAborted(signal, `reading ${this.#pathOf(key)}`);
    const found = this.#objects.get(key);
    const path = this.#pathOf(key);
    if (found === undefined)
      throw new LitestreamError("OBJECT_MISSING", `cannot read ${path}: it does not exist`, { path });
    if (identity !== undefined && identity !== found.identity) {
      throw new LitestreamError("OBJECT_CHANGED", `cannot read ${path}: it was changed meanwhile`, { path });
    }
    const bytes = found.bytes.slice(offset, Math.min(found.bytes.byteLength, endOffset));
    if (bytes.byteLength > 0) yield bytes;
  }

  async put(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ sizeBytes: number }> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) {
      throwIfAborted(signal, `writing ${this.#pathOf(key)}`);
      chunks.push(Uint8Array.from(chunk));
    }
    throwIfAborted(signal, `writing ${this.#pathOf(key)}`);
    const bytes = Buffer.concat(chunks);
    this.#set(key, bytes);
    return { sizeBytes: bytes.byteLength };
  }

  async delete(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal, `deleting from ${this.location}`);
    for (const key of keys) this.#objects.delete(key);
  }

  readonly conditional: ConditionalStore = {
    get: async (key) => this.#objects.get(key),
    putIf: async (key, bytes, before) => {
      if (this.#objects.get(key)?.identity !== before) return "changed";
      return { identity: this.#set(key, Uint8Array.from(bytes)) };
    },
  };

  #set(key: string, bytes: Uint8Array): string {
    const identity = String(++this.#writes);
    this.#objects.set(key, { bytes, modifiedAt: new Date(), identity });
    return identity;
  }

  #pathOf(key: string): string {
    return `${this.location}/${key}`;
  }
}
