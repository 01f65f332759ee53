/**
 * Objects that will be read, fetched before their turn. Behind a network each costs the way there and back, however
 * small it is; and WAL in segments is many small objects, up to one for each second.
 */
import type { StoreEntry } from "../store/store.ts";

/** Bytes that are fetched, or wait for their turn, at a time. */
const heldBytesMax = 4 * 1024 * 1024;

/** Larger ones are read in their turn: the way there and back is little of their time. */
const objectSizeBytesMax = 1024 * 1024;

interface Held {
  readonly content: Promise<Uint8Array>;
  readonly sizeBytes: number;
}

export class ReadAhead implements Disposable {
  readonly #countMax: number;
  readonly #fetch: (entry: StoreEntry, signal: AbortSignal) => Promise<Uint8Array>;
  readonly #ended = new AbortController();
  readonly #waiting: Map<string, StoreEntry>;
  readonly #held = new Map<string, Held>();
  #heldBytes = 0;

  /**
   * @param entries in the order in which they will be read
   * @param countMax objects that are fetched, or wait for their turn, at a time
   * @param fetch reads a whole object
   */
  constructor(
    entries: readonly StoreEntry[],
    countMax: number,
    fetch: (entry: StoreEntry, signal: AbortSignal) => Promise<Uint8Array>,
  ) {
    this.#countMax = countMax;
    this.#fetch = fetch;
    const small = entries.filter(({ sizeBytes }) => sizeBytes <= objectSizeBytesMax);
    this.#waiting = new Map(small.map((entry) => [entry.key, entry]));
    this.#fetchNext();
  }

  /** The object's content, or what fetching it failed with; undefined for one that is to be read as any other. */
  async take(key: string): Promise<Uint8Array | undefined> {
    const held = this.#held.get(key);
    this.#waiting.delete(key);
    this.#held.delete(key);
    if (held === undefined) return undefined;
    try {
      return await held.content;
    } finally {
      this.#heldBytes -= held.sizeBytes;
      this.#fetchNext();
    }
  }

  /** Ends what is under way; nobody waits for it. */
  [Symbol.dispose](): void {
    this.#waiting.clear();
    this.#held.clear();
    this.#ended.abort();
  }

  #fetchNext(): void {
    for (const [key, entry] of this.#waiting) {
      if (this.#held.size >= this.#countMax || this.#heldBytes + entry.sizeBytes > heldBytesMax) return;
      const { sizeBytes } = entry;
      const content = this.#fetch(entry, this.#ended.signal);
      // Its reader gets the error, if it comes to that.
      content.catch(() => undefined);
      this.#waiting.delete(key);
      this.#held.set(key, { content, sizeBytes });
      this.#heldBytes += sizeBytes;
    }
  }
}
