interface ReadOptions {
  readonly offset?: number;
  readonly signal?: AbortSignal;
}

/** The least that is a store, with a private field and a name of its own. */
export class MemoryStore {
  readonly location = "memory";
  readonly #objects = new Map<string, Uint8Array>();

  get size(): number {
    return this.#objects.size;
  }

  has(key: string): boolean {
    return this.#objects.has(key);
  }

  async list(prefix: string, signal?: AbortSignal): Promise<string[]> {
    signal?.throwIfAborted();
    return [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
  }

  /** In chunks of three bytes. */
  async *read(key: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void> {
    options?.signal?.throwIfAborted();
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw new Error(`${key} is missing`);
    for (let at = options?.offset ?? 0; at < bytes.length; at += 3) yield bytes.slice(at, at + 3);
  }

  async put(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ sizeBytes: number }> {
    signal?.throwIfAborted();
    const bytes = Buffer.concat(await Array.fromAsync(content));
    this.#objects.set(key, bytes);
    return { sizeBytes: bytes.length };
  }

  async delete(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    for (const key of keys) this.#objects.delete(key);
  }
}
