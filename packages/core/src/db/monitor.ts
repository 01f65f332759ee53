import { type FSWatcher, realpathSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

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

/**
 * Calls `onChange` soon after anything was written to the database or its WAL, and at every poll besides: events can be
 * lost, and some file systems have none. The folder is watched, because a watch on the WAL file itself misses changes.
 */
export class Monitor {
  readonly #path: string;
  readonly #pollMs: number;
  readonly #onChange: () => void;
  #watcher: FSWatcher | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string, pollMs: number, onChange: () => void) {
    this.#path = path;
    this.#pollMs = pollMs;
    this.#onChange = onChange;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#watch();
      this.#onChange();
    }, this.#pollMs);
    this.#watch();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    clearTimeout(this.#pause);
    this.#unwatch();
  }

  #onEvent(): void {
    this.#unwatch();
    this.#onChange();
    this.#lookAfter(restMs, echoesMs);
  }

  #lookAfter(pauseMs: number, laterMs: readonly number[]): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      // What came between the last look and the new watch is seen by the next look.
      this.#watch();
      this.#onChange();
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
      const names = new Set([basename(path), `${basename(path)}-wal`]);
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
