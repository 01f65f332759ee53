import type { CheckpointMode } from "./capture.ts";
import type { Connection } from "../sqlite/connection.ts";
import { sleepSync } from "../sleep.ts";
import type { ReadLock } from "./read-lock.ts";

/** How long a checkpoint that is not forced waits for the write lock: the next one is never far. */
const writeLockWaitMs = 50;
/** How long a checkpoint of the application's own is waited for while we hold the write lock; they are that short. */
const otherCheckpointWaitMs = 10;
/** Pause between two tries while a reader, or another checkpoint, is in the way. */
const retryMs = 0.5;

export interface CheckpointParts {
  readonly lock: ReadLock;
  /** The connection that takes the write lock. */
  readonly writer: Connection;
  readonly busyTimeoutMs: number;
  /** Copies everything visible in the WAL to the shadow WAL. */
  copy(): void;
  /** Makes WAL and database durable, so that a checkpoint's own flushes find nothing to do. */
  flush(): void;
}

export interface CheckpointOutcome {
  readonly complete: boolean;
  readonly walFrames: number;
  readonly backfilledFrames: number;
  /** How long writers were kept out. */
  readonly writeLockMs: number;
}

/**
 * Moves the WAL into the database file, so that the next writer restarts it, without a moment in which a frame that was
 * not copied could be overwritten. Whatever fails, a read transaction is held at the end, unless none could be begun:
 * then `lock.isHeld` is false.
 */
export function checkpoint(mode: CheckpointMode, parts: CheckpointParts): CheckpointOutcome {
  const { lock, writer } = parts;
  // The bulk goes while writers go on: a newer read mark lets it be moved.
  lock.handOver(() => parts.copy());
  const bulk = lock.free.checkpointPassive();
  parts.copy();
  parts.flush();

  const waitMs = mode === "FORCED" ? parts.busyTimeoutMs : Math.min(writeLockWaitMs, parts.busyTimeoutMs);
  if (!writer.tryBeginImmediate(waitMs))
    return { walFrames: bulk.walFrames, backfilledFrames: bulk.backfilledFrames, complete: false, writeLockMs: 0 };
  const lockedAtMs = performance.now();
  try {
    // Nobody can append now: what this copies is all there will be of this WAL, if it can be moved as a whole.
    parts.copy();
    const result = moveRemainder(mode, parts);
    return { ...result, writeLockMs: performance.now() - lockedAtMs };
  } finally {
    try {
      // While the write lock is held no frame can be added, so this one sees nothing that was not copied.
      if (!lock.isHeld) lock.take();
    } finally {
      writer.rollback();
    }
  }
}

function moveRemainder(
  mode: CheckpointMode,
  { lock, busyTimeoutMs }: CheckpointParts,
): Omit<CheckpointOutcome, "writeLockMs"> {
  lock.release();
  const startedAtMs = performance.now();
  for (;;) {
    const { isBusy, ...result } = lock.free.checkpointPassive();
    const waitMs = mode === "FORCED" ? busyTimeoutMs : isBusy ? otherCheckpointWaitMs : 0;
    if (result.complete || performance.now() - startedAtMs >= waitMs) return result;
    sleepSync(retryMs);
  }
}
