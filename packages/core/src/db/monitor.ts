import { type FSWatcher, realpathSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { pollEvery } from "./poll-clock.ts";

/**
 * Events are not listened to while one change follows another; it is looked each time after this pause instead. A
 * transaction of 15 pages is 30 events, each of which wakes two threads; to end a watch and to begin another takes a
 * dozen system calls. At 100 transactions a second this saves a quarter of what capture costs.
 */
const restMs = 10;
/** Looks in turn that find nothing before events are listened to again. */
const quietLooks = 3;

/**
 * A writer publishes a commit after it has written it, and after a flush that may take long; of that there is no event.
 * So what an event announced is looked for again after each of these pauses, in milliseconds, until the next event.
 */
const echoesMs: readonly number[] = [30, 100, 300, 1000];

export interface MonitorObserver {
  /** Something was written to the database or its WAL, or may have been. */
  onChange(): void;
  /**
   * Looks whether anything was written: events can be lost, and some file systems have none.
   * @returns whether something is new, and it is worth looking again soon
   */
  onPoll(): boolean;
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
    this.#lookWhileNew(quietLooks);
  }

  /** Looks again and again, until `looksLeft` of them in turn have found nothing. */
  #lookWhileNew(looksLeft: number): void {
    this.#after(restMs, () => {
      if (this.#observer.onPoll()) this.#lookWhileNew(quietLooks);
      else if (looksLeft > 1) this.#lookWhileNew(looksLeft - 1);
      else this.#listen();
    });
  }

  #listen(): void {
    this.#watch();
    // What came between the last look and the watch is of no event.
    if (this.#observer.onPoll()) this.#onEvent();
    else this.#lookAfter(echoesMs);
  }

  #lookAfter([pauseMs, ...laterMs]: readonly number[]): void {
    if (pauseMs === undefined || pauseMs >= this.#pollMs) return;
    this.#after(pauseMs, () => {
      if (this.#observer.onPoll()) this.#onEvent();
      else this.#lookAfter(laterMs);
    });
  }

  #after(pauseMs: number, work: () => void): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(work, pauseMs);
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
