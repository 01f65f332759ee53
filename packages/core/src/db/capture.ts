/**
 * The decisions of capture, without any I/O. What they rest on is SQLite's protocol (docs/guarantees.md):
 *
 * - The end of the WAL is mxFrame of the wal-index. Valid frames behind it may be those of a writer that died before
 *   its commit, and never happened.
 * - While we hold a read lock on a mark, nobody restarts the WAL. While we hold WAL_READ_LOCK(0), nobody moves a frame
 *   into the database file, so frames that come after a restart stay in the WAL.
 * - We are `covered` while a read lock is held without a break and everything visible when it was taken was copied.
 *   Then another pair of salts, any pair, is the very next WAL: nothing can have come and gone in between.
 */
import { assert } from "../assert.ts";
import type { GenerationReason } from "../generation-reason.ts";
import type { Generation } from "../generation.ts";
import { type Position, type WalIndex, walIndex, walIndexMax } from "../position.ts";
import { isBackfilled, type WalIndexView } from "../sqlite/wal-index.ts";
import type { WalChainEnd } from "../wal/chain.ts";
import { framesIn, sameSalts, type WalHeader } from "../wal/header.ts";

/** The end of what the shadow WAL holds of the current index. */
export interface ShadowTail {
  readonly header: WalHeader;
  readonly end: WalChainEnd;
}

/** Where capture stands. `tail` is undefined until the index has its first committed frame. */
export interface CaptureState {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly tail: ShadowTail | undefined;
}

export function positionOf(state: CaptureState): Position {
  return { generation: state.generation, index: state.index, offset: state.tail?.end.offset ?? 0 };
}

export type SyncDecision =
  | { readonly kind: "nothing" }
  /** Go on in the current index, up to mxFrame. */
  | { readonly kind: "copy" }
  /** Begin `index` with the WAL's first frame, up to mxFrame. */
  | { readonly kind: "begin-index"; readonly index: WalIndex }
  | { readonly kind: "new-generation"; readonly reason: GenerationReason };

const nothing: SyncDecision = { kind: "nothing" };

/** What is to be done with the WAL as `view` shows it. */
export function decideSync(state: CaptureState, view: WalIndexView, covered: boolean): SyncDecision {
  const { tail } = state;
  if (tail !== undefined && sameSalts(tail.header.salts, view.salts)) return decideSameWal(tail, view);
  if (!covered) return { kind: "new-generation", reason: "wal restarted while not replicating" };
  if (view.mxFrame === 0) return nothing;
  if (tail === undefined) return { kind: "begin-index", index: state.index };
  if (tail.header.pageSize !== view.pageSize) return { kind: "new-generation", reason: "page size changed" };
  if (state.index >= walIndexMax) return { kind: "new-generation", reason: "max index exceeded" };
  return { kind: "begin-index", index: walIndex(state.index + 1) };
}

function decideSameWal(tail: ShadowTail, view: WalIndexView): SyncDecision {
  const frames = framesIn(tail.end.offset, tail.header.pageSize);
  if (view.mxFrame > frames) return { kind: "copy" };
  if (view.mxFrame < frames) return { kind: "new-generation", reason: "wal truncated by another process" };
  const { s1, s2 } = tail.end.checksum;
  if (view.frameChecksum.s1 === s1 && view.frameChecksum.s2 === s2) return nothing;
  return { kind: "new-generation", reason: "wal overwritten by another process" };
}

/**
 * Whether the generation of an earlier run goes on: only if the WAL is still the one that `tail` was copied from.
 * Proving the shadow WAL against the WAL's own bytes is up to the caller.
 * @returns why not, or undefined
 */
export function decideResume(tail: ShadowTail, view: WalIndexView): GenerationReason | undefined {
  if (!sameSalts(tail.header.salts, view.salts)) return "wal restarted while not replicating";
  const decision = decideSameWal(tail, view);
  return decision.kind === "new-generation" ? decision.reason : undefined;
}

/**
 * Which read lock a transaction got that began between `before` and `after`: one that finds everything backfilled sits
 * on WAL_READ_LOCK(0), any other on a mark. Where the two views differ it may be either.
 */
export function mayBeOnLockZero(before: WalIndexView, after: WalIndexView): boolean {
  return isBackfilled(before) || isBackfilled(after);
}

/**
 * Sitting on WAL_READ_LOCK(0) while the WAL has frames makes each commit of the application try a checkpoint in vain
 * (measured: 486 against 15 microseconds a commit), so another transaction takes over, which then gets a mark.
 */
export function wantsHandOver(onLockZero: boolean, view: WalIndexView): boolean {
  return onLockZero && !isBackfilled(view);
}

export interface CheckpointPolicy {
  /** Frames, not yet in the database file, from which a checkpoint is tried. */
  readonly minPageCount: number;
  /** Frames in the WAL from which it waits for readers, up to the busy timeout; 0 for never. */
  readonly maxPageCount: number;
  /** A checkpoint is also tried so long after the last one; 0 for never. */
  readonly intervalMs: number;
  /** Least time between two tries, while readers keep one from being complete. */
  readonly retryMs: number;
  /** Least time between two forced ones, since writers are kept out while one waits. */
  readonly forcedRetryMs: number;
}

export type CheckpointMode = "PASSIVE" | "FORCED";

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
  if (view.mxFrame - view.nBackfill >= policy.minPageCount) return "PASSIVE";
  if (policy.intervalMs > 0 && elapsedMs > policy.intervalMs) return "PASSIVE";
  return undefined;
}

/** The state once the WAL's frames up to mxFrame were copied to `index`, with the proof that they are the WAL's. */
export function advance(
  state: CaptureState,
  index: WalIndex,
  header: WalHeader,
  end: WalChainEnd,
  view: WalIndexView,
): CaptureState {
  assert(framesIn(end.offset, header.pageSize) === view.mxFrame, "a copy ends at mxFrame");
  assert(
    end.checksum.s1 === view.frameChecksum.s1 && end.checksum.s2 === view.frameChecksum.s2,
    "a copy ends with the running checksum of the wal-index",
  );
  return { generation: state.generation, index, tail: { header, end } };
}
