import type { EmitEvent } from "../events.ts";

/** The longest time that a timer takes. */
const timerMsMax = 2 ** 31 - 1;

export interface UpkeepTask {
  /** As events name it. */
  readonly operation: string;
  /** When it is due for the first time: milliseconds from the start. */
  readonly firstAfterMs: number;
  /**
   * Does it, if it is due.
   * @returns when to look again: milliseconds from now
   */
  readonly run: (signal: AbortSignal) => Promise<number>;
  /** When to try again what failed: milliseconds from then. */
  readonly retryAfterMs: number;
}

/** What a replica does from time to time, each for itself, and never twice at the same time. */
export class Upkeep {
  readonly #replica: string;
  readonly #emit: EmitEvent;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];

  constructor(replica: string, emit: EmitEvent) {
    this.#replica = replica;
    this.#emit = emit;
  }

  /** @returns makes it due now */
  start(task: UpkeepTask): () => void {
    const alarm = new Alarm(this.#stop.signal);
    this.#running.push(this.#repeat(task, alarm));
    return () => alarm.ring();
  }

  /** Ends what is under way, and waits for that. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #repeat({ operation, firstAfterMs, run, retryAfterMs }: UpkeepTask, alarm: Alarm): Promise<void> {
    const { signal } = this.#stop;
    for (let waitMs = firstAfterMs; ;) {
      await alarm.wait(waitMs);
      if (signal.aborted) return;
      try {
        waitMs = await run(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#emit({ type: "error", operation, replica: this.#replica, error });
        waitMs = retryAfterMs;
      }
    }
  }
}

class Alarm {
  readonly #signal: AbortSignal;
  #isRinging = false;
  #wake: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  ring(): void {
    this.#isRinging = true;
    this.#wake?.();
  }

  /** Until it rings, or `ms` have passed, or it is over. */
  async wait(ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    while (!this.#isRinging && !this.#signal.aborted) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) break;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, Math.min(timerMsMax, leftMs));
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#isRinging = false;
  }
}
