import { type RestorableGeneration, restorableGenerations, type ReplicaReader } from "@litestream/core";

interface Entry {
  generations: readonly RestorableGeneration[] | undefined;
  /** By `performance.now()`; -Infinity until it was listed. */
  listedAtMs: number;
  /** Something happened since that changed what is there. */
  isStale: boolean;
  pending: Promise<readonly RestorableGeneration[]> | undefined;
}

/** What is stored changes little without an event; to list a bucket costs requests. */
const refreshMs = 10 * 60_000;
const staleRefreshMs = 10_000;

/**
 * What of each replica can be restored, as it was last listed. One replica is listed at a time, and none more often
 * than it is worth: nobody who only looks may keep a store busy.
 */
export class Inventory {
  readonly #entries = new Map<string, Entry>();
  #turn: Promise<unknown> = Promise.resolve();

  /** What is known at once; what is old is listed again in the background. */
  peek(path: string, name: string, open: () => ReplicaReader): readonly RestorableGeneration[] | undefined {
    const entry = this.#entry(path, name);
    const ageMs = performance.now() - entry.listedAtMs;
    if (ageMs >= (entry.isStale ? staleRefreshMs : refreshMs)) void this.#list(entry, open).catch(() => undefined);
    return entry.generations;
  }

  /**
   * What was listed at most `ageMsMax` ago.
   * @throws what keeps the replica from being listed
   */
  async get(
    path: string,
    name: string,
    open: () => ReplicaReader,
    ageMsMax: number,
  ): Promise<readonly RestorableGeneration[]> {
    const entry = this.#entry(path, name);
    const isFresh = performance.now() - entry.listedAtMs < ageMsMax;
    if (isFresh && entry.generations !== undefined) return entry.generations;
    return this.#list(entry, open);
  }

  /** The replicas of a database are not what they were. */
  changed(path: string): void {
    for (const [key, entry] of this.#entries) if (key.startsWith(keyOf(path, ""))) entry.isStale = true;
  }

  forget(path: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(keyOf(path, ""))) this.#entries.delete(key);
  }

  #entry(path: string, name: string): Entry {
    const key = keyOf(path, name);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { generations: undefined, listedAtMs: -Infinity, isStale: true, pending: undefined };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #list(entry: Entry, open: () => ReplicaReader): Promise<readonly RestorableGeneration[]> {
    entry.pending ??= this.#inTurn(async () => {
      try {
        entry.isStale = false;
        entry.generations = await restorableGenerations(open());
        return entry.generations;
      } finally {
        // One that cannot be listed is not tried again at once.
        entry.listedAtMs = performance.now();
        entry.pending = undefined;
      }
    });
    return entry.pending;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function keyOf(path: string, name: string): string {
  return `${path}\0${name}`;
}
