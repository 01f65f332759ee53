import { errorMessage } from "@litestream/core";
import type { Watched } from "./observed.ts";
import { problemsOf } from "./serve/health.ts";
import { statusWithin } from "./status-within.ts";

export interface HeartbeatOptions {
  /** Gets a GET request; any 2xx will do. Often a secret: it is in no message. */
  readonly url: string;
  /** Least time between two requests that succeeded; 300000 where absent. */
  readonly intervalMs?: number | undefined;
  /** The databases that must be good; asked anew each time. None is not good. */
  readonly databases: () => readonly Watched[];
  /** Called with one line when a request fails; it is tried again at the next check. */
  readonly onFailure?: ((message: string) => void) | undefined;
}

const defaultIntervalMs = 300_000;
/** How often it is looked whether a request is due, and deserved. */
const checkMsMax = 15_000;
const requestTimeoutMs = 30_000;
const statusTimeoutMs = 2000;

/**
 * Tells a dead man's switch that the backup is good: a request each interval, as long as everything committed before
 * the last interval is in every replica. Whoever misses them raises the alarm, even when this machine is gone.
 */
export class Heartbeat implements AsyncDisposable {
  readonly #options: HeartbeatOptions;
  readonly #intervalMs: number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #sentAtMs = -Infinity;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? defaultIntervalMs;
    this.#timer = setInterval(() => this.#check(), Math.min(checkMsMax, this.#intervalMs));
    this.#timer.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort();
    await this.#running;
  }

  #check(): void {
    // Timers are not exact: a beat that is due in a moment is not put off until the next check.
    const isDue = performance.now() - this.#sentAtMs >= this.#intervalMs * 0.9;
    if (!isDue || this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#beat().finally(() => {
      this.#isRunning = false;
    });
  }

  async #beat(): Promise<void> {
    if (!(await this.#isGood())) return;
    try {
      const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(requestTimeoutMs)]);
      const response = await fetch(this.#options.url, { signal, headers: { "User-Agent": "litestream" } });
      // What it says is of no interest, and may be long.
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it was answered with ${response.status}`);
      this.#sentAtMs = performance.now();
    } catch (error) {
      if (this.#end.signal.aborted) return;
      const why = errorMessage(error).replaceAll(this.#options.url, "its URL");
      this.#options.onFailure?.(`the heartbeat failed: ${why}`);
    }
  }

  async #isGood(): Promise<boolean> {
    const databases = this.#options.databases();
    const good = await Promise.all(
      databases.map(async (observed) => {
        const status = await statusWithin(observed, statusTimeoutMs);
        const { path } = observed;
        const hasFailure = status?.replicas.some(({ failure }) => failure !== undefined) ?? true;
        return !hasFailure && problemsOf({ path, status }, this.#intervalMs).length === 0;
      }),
    );
    return databases.length > 0 && good.every(Boolean);
  }
}
