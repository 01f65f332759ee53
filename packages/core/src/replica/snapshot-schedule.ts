import type { CommonReplicaOptions } from "../replica-options.ts";
import type { Standing } from "./standing.ts";

/**
 * When a replica needs another snapshot, besides those that begin a generation: by time, and by the WAL that a restore
 * would have to apply. Where no WAL came since the newest one, another one would be the same, and none is due.
 */
export class SnapshotSchedule {
  readonly #intervalMs: number;
  readonly #walBytesMax: number;
  #newestAtMs: number | undefined;
  #walBytes = 0;
  #onDueSooner: (() => void) | undefined;

  constructor({ snapshotIntervalMs = 0, snapshotWalSizeBytesMax = 0 }: CommonReplicaOptions) {
    this.#intervalMs = snapshotIntervalMs > 0 ? snapshotIntervalMs : Infinity;
    this.#walBytesMax = snapshotWalSizeBytesMax > 0 ? snapshotWalSizeBytesMax : Infinity;
  }

  /** None is ever due. */
  get isOff(): boolean {
    return this.#intervalMs === Infinity && this.#walBytesMax === Infinity;
  }

  /** Milliseconds from now; `Infinity` while none will be due unless WAL comes. */
  dueAfterMs(nowMs: number): number {
    if (this.#walBytes === 0 || this.#newestAtMs === undefined) return Infinity;
    if (this.#walBytes > this.#walBytesMax) return 0;
    // A clock that was set back makes none due for longer than the interval.
    return Math.max(0, this.#intervalMs - Math.max(0, nowMs - this.#newestAtMs));
  }

  /** Calls `listener` whenever one may be due sooner than it was. */
  onDueSooner(listener: () => void): void {
    this.#onDueSooner = listener;
  }

  /** What was found in the replica. */
  stands({ newestSnapshotAtMs, walBytes }: Standing): void {
    this.#newestAtMs = newestSnapshotAtMs;
    this.#walBytes = walBytes;
    this.#onDueSooner?.();
  }

  copied(sizeBytes: number): void {
    const before = this.#walBytes;
    this.#walBytes += sizeBytes;
    const isFirst = before === 0 && sizeBytes > 0;
    const isTooMuch = before <= this.#walBytesMax && this.#walBytes > this.#walBytesMax;
    if (isFirst || isTooMuch) this.#onDueSooner?.();
  }

  /** @param walBytesAfter WAL that was copied already and is not in it */
  taken(atMs: number, walBytesAfter: number): void {
    this.#newestAtMs = atMs;
    this.#walBytes = walBytesAfter;
  }
}
