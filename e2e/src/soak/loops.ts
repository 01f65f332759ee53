import { setTimeout as sleep } from "node:timers/promises";

/** Loops that run side by side until they are told to end, or until one of them fails: then all of them end. */
export class Loops {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  #failure: { readonly error: unknown } | undefined;

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  start(loop: (signal: AbortSignal) => Promise<void>): void {
    this.#running.push(
      loop(this.signal).catch((error: unknown) => {
        this.#failure ??= { error };
        this.#stop.abort();
      }),
    );
  }

  /**
   * Ends them all, and waits for that.
   * @throws the error of the first one that failed
   */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** Waits, and not longer than until the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects when the signal comes, and with nothing else.
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** What `promise` gives. @throws Error naming `what`, once that took longer than `deadlineMs` */
export async function within<T>(deadlineMs: number, what: string, promise: Promise<T>): Promise<T> {
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms in vain for ${what}`)), deadlineMs);
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

export function pick<T>(random: { below(limit: number): number }, values: readonly [T, ...T[]]): T {
  return values[random.below(values.length)] ?? values[0];
}
