/** What `withFaults` asks of a store: objects by key, read and written as chunks of bytes. */
export interface FaultyTarget {
  list(prefix: string, signal?: AbortSignal): Promise<unknown>;
  read(key: string, options?: { readonly offset?: number; readonly signal?: AbortSignal }): AsyncIterable<Uint8Array>;
  put(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ readonly sizeBytes: number }>;
  delete(keys: readonly string[], signal?: AbortSignal): Promise<void>;
}

export type StoreOperationKind = "list" | "read" | "put" | "delete";

/** Which operations a fault is about. */
interface Occasion<K extends StoreOperationKind> {
  readonly on: K;
  /** Only operations with such a key; for a `list` it is its prefix, for a `delete` one of its keys. Default: all. */
  readonly keys?: RegExp;
  /** The operation of those, counted from 1, at which it begins. Default 1. */
  readonly nth?: number;
  /** How many of them, one after the other; Infinity for good. Default 1. */
  readonly times?: number;
}

/** The operation fails; with `after`, though it was carried out, as when the answer is lost. Default `before`. */
interface Fail {
  readonly effect: "fail";
  readonly error: Error;
  readonly when?: "before" | "after";
}

/** The operation begins only when `until` settles, or after so many milliseconds. */
interface Delay {
  readonly effect: "delay";
  readonly until: Promise<unknown> | number;
}

/**
 * The operation begins only when the next one that the fault's `on` and `keys` mean is over, well or not. A caller that
 * waits for each before the next waits for ever, unless its signal is aborted.
 */
interface Reorder {
  readonly effect: "reorder";
}

/**
 * A read ends after so many bytes, silently unless an error is given; one with fewer bytes does not meet the fault.
 * A put takes so many bytes of its content, or all there are, and then fails, and nothing is stored.
 */
interface CutRead {
  readonly effect: "cut";
  readonly afterBytes: number;
  readonly error?: Error;
}
interface CutPut {
  readonly effect: "cut";
  readonly afterBytes: number;
  readonly error: Error;
}

/** A put stores only so many bytes, and reports success with all. One that has no more does not meet the fault. */
interface TornPut {
  readonly effect: "torn";
  readonly afterBytes: number;
}

export type StoreFault =
  | (Occasion<StoreOperationKind> & (Fail | Delay | Reorder))
  | (Occasion<"read"> & CutRead)
  | (Occasion<"put"> & (CutPut | TornPut));

/** One call, as it stands now. */
export interface StoreOperation {
  readonly kind: StoreOperationKind;
  /** The key, the prefix of a `list`, all keys of a `delete`. */
  readonly keys: readonly string[];
  /** A read is running until it is read to its end, or given up, which is `done`. */
  readonly outcome: "running" | "done" | "failed";
  /** What the caller got of a read, or gave to a put. */
  readonly bytes: number;
}

type Running = { -readonly [K in keyof StoreOperation]: StoreOperation[K] };

/** A fault and how far it has got. */
interface Armed {
  readonly fault: StoreFault;
  /** Operations that it means so far. */
  matched: number;
  met: number;
  readonly firstMet: PromiseWithResolvers<void>;
  /** Lets go the operations that wait for the one after theirs. */
  readonly held: (() => void)[];
}

/** A fault that an operation runs into. */
interface Due {
  readonly armed: Armed;
  /** Where the operation is to be overtaken: settles when it was. */
  readonly overtaken: Promise<void> | undefined;
}

/** What one operation runs into. */
interface Passage {
  readonly operation: Running;
  readonly due: readonly Due[];
  readonly signal: AbortSignal | undefined;
  /** Lets go those who wait for this operation to be over. */
  readonly release: () => void;
}

/**
 * A store with faults, and what happened to it:
 *
 *     const faulty = withFaults(store, [{ on: "put", keys: /\.ltx$/, nth: 3, effect: "fail", error }]);
 *     await replicate(faulty.store);
 *     expect(faulty.pendingFaults()).toEqual([]);
 */
export class StoreFaults<S extends FaultyTarget> {
  /** The store with the faults; what it has besides the four operations is its own. */
  readonly store: S;
  readonly #target: S;
  readonly #armed: Armed[] = [];
  readonly #operations: Running[] = [];

  constructor(target: S, faults: readonly StoreFault[]) {
    this.#target = target;
    for (const fault of faults) this.add(fault);
    const operations: Required<FaultyTarget> = {
      list: (prefix, signal) => this.#pass("list", [prefix], signal, () => target.list(prefix, signal)),
      read: (key, options) => this.#read(key, options),
      put: (key, content, signal) => this.#put(key, content, signal),
      delete: (keys, signal) => this.#pass("delete", keys, signal, () => target.delete(keys, signal)),
    };
    this.store = new Proxy(target, {
      get(_, name): unknown {
        if (Object.hasOwn(operations, name)) return Reflect.get(operations, name);
        // With the store itself as `this`: its private fields are not the proxy's.
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /**
   * Adds a fault, which counts operations from now on.
   * @throws RangeError for numbers that cannot be
   */
  add(fault: StoreFault): void {
    requireWhole("nth", fault.nth ?? 1, 1);
    if (fault.times !== Infinity) requireWhole("times", fault.times ?? 1, 1);
    if ("afterBytes" in fault) requireWhole("afterBytes", fault.afterBytes, 0);
    this.#armed.push({ fault, matched: 0, met: 0, firstMet: Promise.withResolvers(), held: [] });
  }

  /** Resolves when an operation has run into this fault: it is delayed or held by now, or has failed or been cut. */
  async met(fault: StoreFault): Promise<void> {
    const armed = this.#armed.find((each) => each.fault === fault);
    if (armed === undefined) throw new Error("this fault was never added: give the object that was");
    await armed.firstMet.promise;
  }

  /** Faults that no operation has run into yet. */
  pendingFaults(): StoreFault[] {
    return this.#armed.filter(({ met }) => met === 0).map(({ fault }) => fault);
  }

  /** The operations so far, in the order they were called; of one kind, and with a matching key, where asked for. */
  operations(kind?: StoreOperationKind, keys?: RegExp): StoreOperation[] {
    return this.#operations
      .filter((operation) => (kind === undefined || operation.kind === kind) && matches(operation.keys, keys))
      .map((operation) => ({ ...operation }));
  }

  /** Counts the operation, and finds what it runs into. */
  #begin(kind: StoreOperationKind, keys: readonly string[], signal: AbortSignal | undefined): Passage {
    const operation: Running = { kind, keys: [...keys], outcome: "running", bytes: 0 };
    this.#operations.push(operation);
    const held: (() => void)[] = [];
    const due: Due[] = [];
    for (const armed of this.#armed) {
      const { on, keys: pattern, nth = 1, times = 1, effect } = armed.fault;
      if (on !== kind || !matches(keys, pattern)) continue;
      held.push(...armed.held.splice(0));
      armed.matched++;
      if (armed.matched < nth || armed.matched >= nth + times) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      if (effect === "reorder") armed.held.push(resolve);
      due.push({ armed, overtaken: effect === "reorder" ? promise : undefined });
    }
    const release = (): void => {
      for (const go of held) go();
    };
    return { operation, due, signal, release };
  }

  async #pass<T>(
    kind: StoreOperationKind,
    keys: readonly string[],
    signal: AbortSignal | undefined,
    operate: () => Promise<T>,
  ): Promise<T> {
    const passage = this.#begin(kind, keys, signal);
    return settling(passage, async () => {
      await enter(passage);
      const result = await operate();
      leave(passage);
      return result;
    });
  }

  #read(key: string, options?: { readonly offset?: number; readonly signal?: AbortSignal }): AsyncIterable<Uint8Array> {
    const passage = this.#begin("read", [key], options?.signal);
    return this.#readChunks(passage, () => this.#target.read(key, options));
  }

  async *#readChunks(passage: Passage, read: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    const { operation } = passage;
    try {
      await enter(passage);
      const cut = find(passage, "cut");
      const afterBytes = cut === undefined ? Infinity : bytesOf(cut.fault);
      for await (const chunk of takeBytes(read(), afterBytes)) {
        operation.bytes += chunk.length;
        yield chunk;
      }
      if (cut !== undefined && operation.bytes === afterBytes) {
        meet(cut);
        if ("error" in cut.fault && cut.fault.error !== undefined) throw cut.fault.error;
      }
      leave(passage);
    } catch (error) {
      operation.outcome = "failed";
      throw error;
    } finally {
      // A reader that gives up comes by here, too.
      if (operation.outcome === "running") operation.outcome = "done";
      passage.release();
    }
  }

  async #put(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ sizeBytes: number }> {
    const passage = this.#begin("put", [key], signal);
    const { operation } = passage;
    return settling(passage, async () => {
      await enter(passage);
      const counted = countBytes(content, operation);
      const cut = find(passage, "cut");
      if (cut !== undefined) {
        await consume(takeBytes(counted, bytesOf(cut.fault)));
        meet(cut);
        throw "error" in cut.fault ? cut.fault.error : new Error(`the put of ${key} was cut`);
      }
      const torn = find(passage, "torn");
      if (torn === undefined) {
        const result = await this.#target.put(key, counted, signal);
        leave(passage);
        return result;
      }
      const result = await this.#putTorn(key, counted, bytesOf(torn.fault), signal);
      if (operation.bytes > result.sizeBytes) meet(torn);
      leave(passage);
      return { ...result, sizeBytes: operation.bytes };
    });
  }

  /** Stores the beginning, and takes the rest all the same. */
  async #putTorn(
    key: string,
    content: AsyncIterable<Uint8Array>,
    bytes: number,
    signal: AbortSignal | undefined,
  ): Promise<{ sizeBytes: number }> {
    const chunks = content[Symbol.asyncIterator]();
    // Not ended by whoever reads a part of it.
    const rest = { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) };
    try {
      const result = await this.#target.put(key, takeBytes(rest, bytes), signal);
      await consume(rest);
      return result;
    } finally {
      await chunks.return?.();
    }
  }
}

/** Puts faults between a store and who uses it. Faults that an operation runs into together all take effect. */
export function withFaults<S extends FaultyTarget>(store: S, faults: readonly StoreFault[] = []): StoreFaults<S> {
  return new StoreFaults(store, faults);
}

async function settling<T>({ operation, release }: Passage, operate: () => Promise<T>): Promise<T> {
  try {
    const result = await operate();
    operation.outcome = "done";
    return result;
  } catch (error) {
    operation.outcome = "failed";
    throw error;
  } finally {
    release();
  }
}

/** What happens before the store gets to see the operation, in the order in which the faults were added. */
async function enter({ due, signal }: Passage): Promise<void> {
  for (const { armed, overtaken } of due) {
    const { fault } = armed;
    if (fault.effect === "fail" && fault.when !== "after") {
      meet(armed);
      throw fault.error;
    } else if (fault.effect === "delay") {
      meet(armed);
      await unlessAborted(typeof fault.until === "number" ? Bun.sleep(fault.until) : fault.until, signal);
    } else if (overtaken !== undefined) {
      meet(armed);
      await unlessAborted(overtaken, signal);
    }
  }
}

/** What happens when the store has done its part. */
function leave({ due }: Passage): void {
  for (const { armed } of due) {
    const { fault } = armed;
    if (fault.effect !== "fail" || fault.when !== "after") continue;
    meet(armed);
    throw fault.error;
  }
}

function find({ due }: Passage, effect: StoreFault["effect"]): Armed | undefined {
  return due.find(({ armed }) => armed.fault.effect === effect)?.armed;
}

function meet(armed: Armed): void {
  armed.met++;
  armed.firstMet.resolve();
}

/** Waits until `wait` settles, either way. Rejects with the signal's reason as soon as that is aborted. */
async function unlessAborted(wait: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal?.reason as Error);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([wait.catch(() => {}), aborted.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** The first `bytes` bytes; the source is not asked for more than they need. */
async function* takeBytes(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array, void> {
  if (bytes === 0) return;
  let left = bytes;
  for await (const chunk of source) {
    yield chunk.length <= left ? chunk : chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function* countBytes(content: AsyncIterable<Uint8Array>, operation: Running): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of content) {
    operation.bytes += chunk.length;
    yield chunk;
  }
}

async function consume(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of content);
}

function bytesOf(fault: StoreFault): number {
  return "afterBytes" in fault ? fault.afterBytes : Infinity;
}

function matches(keys: readonly string[], pattern: RegExp | undefined): boolean {
  // `search` heeds no lastIndex, which a pattern with the flag g carries from one test to the next.
  return pattern === undefined || keys.some((key) => key.search(pattern) >= 0);
}

function requireWhole(name: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min)
    throw new RangeError(`${name} is a whole number from ${min}, not ${value}`);
}
