/**
 * What a look at the wal-index means for what was captured: pure decisions, which rest on SQLite's rules
 * (docs/capture.md):
 *
 * - The end of the WAL is mxFrame of the wal-index. Valid frames behind it may be those of a writer that died before
 *   its commit, and never happened.
 * - While we hold a read lock on a mark, nobody restarts the WAL. While we hold WAL_READ_LOCK(0), nobody moves a frame
 *   into the database file, so frames that come after a restart stay in the WAL.
 * - While `covered` (protocol.ts), a read lock was held without a break since everything was copied: then another pair
 *   of salts, any pair, is the very next WAL. Nothing can have come and gone in between.
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
