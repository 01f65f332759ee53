/** When a checkpoint is due: a pure decision. How one is made is in protocol.ts. */
import { isBackfilled, type WalIndexView } from "../sqlite/wal-index.ts";

export interface CheckpointPolicy {
  /** Frames, not yet in the database file, from which a checkpoint is tried. */
  readonly minPageCount: number;
  /** Frames in the WAL from which it waits for readers, up to the busy timeout; 0 for never. */
  readonly maxPageCount: number;
  /** A checkpoint is also tried so long after the last one; 0 for never. */
  readonly intervalMs: number;
  /** Least time between two tries while readers keep one from being complete, and between any two that are paced. */
  readonly retryMs: number;
  /** Least time between two forced ones, since writers are kept out while one waits. */
  readonly forcedRetryMs: number;
}

export type CheckpointMode = "PASSIVE" | "FORCED";

/**
 * `paced` is for who looks after each commit: `minPageCount` alone would make a fast writer's WAL be moved many times a
 * second, page after page that the next transaction replaces, with flushes each time.
 */
export type CheckpointPace = "at once" | "paced";

/** So many times `minPageCount` are moved whenever they are there, so that a fast writer's WAL stays small. */
const pacedPageFactor = 5;

export interface CheckpointHistory {
  /** Of the last try, complete or not; the opening of the database at first. */
  readonly triedAtMs: number;
  /** Of the last forced try that a reader kept from being complete; undefined where there was none. */
  readonly forcedInVainAtMs: number | undefined;
  readonly wasComplete: boolean;
}

/** The checkpoint that is due, if any. Nothing is, once all of the WAL is in the database file. */
export function checkpointDue(
  view: WalIndexView,
  policy: CheckpointPolicy,
  history: CheckpointHistory,
  pace: CheckpointPace,
  nowMs: number,
): CheckpointMode | undefined {
  if (isBackfilled(view)) return undefined;
  const elapsedMs = nowMs - history.triedAtMs;
  const isTooSoon = elapsedMs >= 0 && elapsedMs < policy.retryMs;
  const sinceForcedMs = nowMs - (history.forcedInVainAtMs ?? -Infinity);
  const mayForce = !isTooSoon && (sinceForcedMs < 0 || sinceForcedMs >= policy.forcedRetryMs);
  if (policy.maxPageCount > 0 && view.mxFrame >= policy.maxPageCount && mayForce) return "FORCED";
  if (!history.wasComplete && isTooSoon) return undefined;
  // Frames that were moved before do not count: while an old reader keeps the WAL from being restarted, a checkpoint
  // for each new frame would do nothing but flush.
  const enough = pace === "paced" && isTooSoon ? pacedPageFactor * policy.minPageCount : policy.minPageCount;
  if (view.mxFrame - view.nBackfill >= enough) return "PASSIVE";
  if (policy.intervalMs > 0 && elapsedMs > policy.intervalMs) return "PASSIVE";
  return undefined;
}
