import { type FSWatcher, realpathSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { pollEvery } from "./poll-clock.ts";

/**
 * Events are not listened to for so long after one came: a writer at full speed sends thousands, which cost a third of
 * a core (measured); to end a watch and begin another costs 20 microseconds.
 */
const restMs = 10;

/**
 * A writer publishes a commit after it has written it, and after a flush that may take long; of that there is no event.
 * So what an event announced is looked for again after each of these pauses, in milliseconds, until the next event.
 */
const echoesMs: readonly number[] = [30, 100, 300, 1000];

export interface MonitorObserver {
  /** Something was written to the database or its WAL, or may have been. */
  onChange(): void;
  /** Events can be lost, and some file systems have none: look whether anything was written. */
  onPoll(): void;
}

/** Watches the folder of a database, because a watch on the WAL file itself misses changes; and polls besides. */
export class Monitor {
  readonly #path: string;
  readonly #pollMs: number;
  readonly #observer: MonitorObserver;
  #watcher: FSWatcher | undefined;
  #endPoll: (() => void) | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string, pollMs: number, observer: MonitorObserver) {
    this.#path = path;
    this.#pollMs = pollMs;
    this.#observer = observer;
  }

  start(): void {
    this.#endPoll ??= pollEvery(this.#pollMs, () => {
      this.#watch();
      this.#observer.onPoll();
    });
    this.#watch();
  }

  stop(): void {
    this.#endPoll?.();
    this.#endPoll = undefined;
    clearTimeout(this.#pause);
    this.#unwatch();
  }

  #onEvent(): void {
    this.#unwatch();
    this.#observer.onChange();
    this.#lookAfter(restMs, echoesMs);
  }

  #lookAfter(pauseMs: number, laterMs: readonly number[]): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      // What came between the last look and the new watch is seen by the next look.
      this.#watch();
      this.#observer.onChange();
      const [nextMs, ...others] = laterMs;
      if (nextMs !== undefined && nextMs < this.#pollMs) this.#lookAfter(nextMs, others);
    }, pauseMs);
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Without a watch (no such folder yet, no inotify watches left) the poll goes on alone, and tries again. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      // The WAL lies beside the file itself, not beside a link to it.
      const path = realPathOf(this.#path);
      const names = new Set(["", "-wal", "-shm"].map((suffix) => `${basename(path)}${suffix}`));
      const watcher = watch(dirname(path), { persistent: true }, (_event, name) => {
        if (typeof name === "string" && names.has(name)) this.#onEvent();
      });
      watcher.on("error", () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch {
      this.#watcher = undefined;
    }
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there yet: watched is where it will appear.
    return path;
  }
}
