import type { EmitEvent } from "../events.ts";

/** Least time from one sync to the next where none is set: commits that come closer together share one. */
const coalesceMs = 10;
/** Least time between two syncs that take longer than that: others need the disk too. */
const restMs = 1;
/** What is left of a pause and not worth a timer, which is no more exact and costs a wake-up. */
const slackMs = 0.5;
const backOffFirstMs = 100;
const backOffMaxMs = 30_000;

/** Replicates by itself: one sync after each wake-up, never two at a time; waits longer after each failure. */
export class ReplicaLoop {
  readonly #sync: (signal: AbortSignal) => Promise<unknown>;
  readonly #emit: EmitEvent;
  readonly #name: string;
  readonly #intervalMs: number;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #isDirty = true;
  #wake: (() => void) | undefined;

  constructor(
    name: string,
    sync: (signal: AbortSignal) => Promise<unknown>,
    emit: EmitEvent,
    intervalMs: number = coalesceMs,
  ) {
    this.#name = name;
    this.#sync = sync;
    this.#emit = emit;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is something to replicate. */
  wake(): void {
    this.#isDirty = true;
    this.#wake?.();
  }

  /** Ends the loop; a sync under way is aborted where that is safe, and waited for. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let backOffMs = 0;
    let notBeforeMs = 0;
    while (!signal.aborted) {
      if (!this.#isDirty) {
        await this.#pause(undefined);
        continue;
      }
      // Only now: what is woken later than that needs no timer (25 us of CPU for each).
      await this.#restUntil(notBeforeMs);
      if (signal.aborted) return;
      this.#isDirty = false;
      const beganAtMs = performance.now();
      try {
        await this.#sync(signal);
        backOffMs = 0;
        notBeforeMs = Math.max(performance.now() + restMs, beganAtMs + this.#intervalMs);
      } catch (error) {
        if (signal.aborted) return;
        this.#isDirty = true;
        this.#emit({ type: "error", operation: "replica sync", replica: this.#name, error });
        backOffMs = Math.min(backOffMaxMs, Math.max(backOffFirstMs, backOffMs * 2));
        // Not at the same moment as all others that lost the same store.
        notBeforeMs = performance.now() + backOffMs * (0.5 + Math.random() / 2);
      }
    }
  }

  /** Waits its full time, unless the loop is stopped. */
  async #restUntil(untilMs: number): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      const leftMs = untilMs - performance.now();
      if (leftMs < slackMs || signal.aborted) return;
      await this.#pause(leftMs);
    }
  }

  /** Until the next wake-up, and at most `ms`. */
  async #pause(ms: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    if (this.#stop.signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
