/**
 * One budget for the whole process, whatever the number of its databases, for work that takes a disk, a core or much
 * memory for more than a moment: snapshots, compression, restores aside, uploads with large buffers. Capture does not
 * go through here: it waits for nobody.
 *
 * Who waits longest is not who is next, but whose database had its turn longest ago: one database with much to do
 * does not keep the others from theirs.
 */
import { aborted, throwIfAborted } from "./abort.ts";

export interface HeavyWorkLimits {
  /** Works at the same time. */
  readonly countMax: number;
  /** Memory that they hold for buffers, together. One that asks for more gets it when it is alone. */
  readonly bufferBytesMax: number;
}

export interface HeavyWorkRequest {
  /** For whom: the path of a database. */
  readonly db: string;
  /** Memory that the work holds for buffers. */
  readonly bufferBytes: number;
  /** Ends the waiting, and is the work's own concern after that. */
  readonly signal?: AbortSignal | undefined;
}

const waitingForOthers = "waiting for other work";

interface Waiting {
  readonly request: HeavyWorkRequest;
  readonly begin: () => void;
}

export class HeavyWork {
  readonly #limits: HeavyWorkLimits;
  readonly #waiting = new Set<Waiting>();
  /** By database: number of the last turn that it had. */
  readonly #turns = new Map<string, number>();
  #turn = 0;
  #running = 0;
  #bufferBytes = 0;

  constructor(limits: HeavyWorkLimits) {
    this.#limits = limits;
  }

  /** Works under way, and those that wait for them. */
  get counts(): { readonly running: number; readonly waiting: number } {
    return { running: this.#running, waiting: this.#waiting.size };
  }

  /**
   * Does `work` when there is room for it. Work must not ask for more of it inside: two that did would wait for each
   * other.
   * @throws LitestreamError ABORTED when `signal` is given before it began; what `work` throws
   */
  async run<T>(request: HeavyWorkRequest, work: () => Promise<T>): Promise<T> {
    throwIfAborted(request.signal, waitingForOthers);
    await this.#room(request);
    try {
      return await work();
    } finally {
      this.#running--;
      this.#bufferBytes -= request.bufferBytes;
      this.#beginNext();
    }
  }

  async #room(request: HeavyWorkRequest): Promise<void> {
    const { signal } = request;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { request, begin: resolve };
    const onAbort = (): void => {
      if (!this.#waiting.delete(waiting)) return;
      reject(aborted(signal, waitingForOthers));
      this.#beginNext();
    };
    this.#waiting.add(waiting);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#beginNext();
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #beginNext(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#waiting.delete(next);
      this.#turns.set(next.request.db, ++this.#turn);
      this.#running++;
      this.#bufferBytes += next.request.bufferBytes;
      next.begin();
    }
    if (this.#running === 0 && this.#waiting.size === 0) this.#turns.clear();
  }

  /** Undefined while there is no room for whoever is next: a large one is not passed by small ones for ever. */
  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (next === undefined || this.#lastTurn(waiting) < this.#lastTurn(next)) next = waiting;
    }
    if (next === undefined || this.#running === 0) return next;
    const fits = this.#bufferBytes + next.request.bufferBytes <= this.#limits.bufferBytesMax;
    return fits && this.#running < this.#limits.countMax ? next : undefined;
  }

  #lastTurn({ request }: Waiting): number {
    return this.#turns.get(request.db) ?? 0;
  }
}

/** Of this process. */
export const heavyWork: HeavyWork = new HeavyWork({ countMax: 4, bufferBytesMax: 64 * 1024 * 1024 });
