/**
 * The capture protocol as a state machine: docs/capture.md. Pure; steps.ts does what it says. A state is what is held
 * (locks, shadow WAL) and a plan, the steps that are still to be done. Each step's outcome gives the next state.
 *
 * What holds at every moment, whatever fails:
 *
 * - `covered` only while a read lock is held or writers are kept out: nothing can go by uncopied.
 * - The last read lock is let go only while writers are kept out, and after everything was copied.
 * - Writers are let in again only after a read lock was taken, or `covered` ends.
 */
import { assert } from "../assert.ts";
import type { GenerationReason } from "../generation-reason.ts";
import type { WalIndex } from "../position.ts";
import { isBackfilled, type WalIndexView } from "../sqlite/wal-index.ts";
import { type CaptureState, decideSync } from "./capture.ts";
import type { CheckpointMode } from "./checkpoint-policy.ts";

/**
 * What a read transaction sits on. `mark`: the WAL cannot be restarted. `zero`, WAL_READ_LOCK(0): no frame can be moved
 * into the database file; also said where it is not known which of both it is.
 */
export type ReadLockKind = "mark" | "zero";

/** Times that one sync looks again because the WAL moved on between two looks; only possible before `covered`. */
const looksMax = 5;

/** Frames that are moved while writers are kept out, if writers are not faster than that. */
const framesUnderLockMax = 32;

export interface Protocol {
  /** What the shadow WAL holds; undefined before there is a generation. */
  readonly captured: CaptureState | undefined;
  /** False while the shadow WAL may not be what `captured` says: it is proven, or given up, before it is added to. */
  readonly isProven: boolean;
  /** Everything visible when the oldest read lock was taken is copied, and there was a lock ever since. */
  readonly covered: boolean;
  /** Everything that was committed at this time is captured; milliseconds since 1970. */
  readonly asOfMs: number;
  /** The read transactions that are open, the oldest first. Two of them only during a hand-over. */
  readonly reads: readonly ReadLockKind[];
  /** We hold the write lock. */
  readonly writersOut: boolean;
  /** The wal-index as it was last seen; undefined when it was not yet, or when a step failed since. */
  readonly view: WalIndexView | undefined;
  readonly plan: readonly Plan[];
}

/** Something to do that has an outcome. */
export type Step =
  | { readonly do: "begin read" }
  /** Ends the oldest read transaction. */
  | { readonly do: "end read" }
  /** Ends the newest one: a hand-over is taken back. */
  | { readonly do: "take back read" }
  | { readonly do: "prove shadow" }
  | { readonly do: "look"; readonly looksLeft: number }
  | CopyStep
  | { readonly do: "begin generation"; readonly reason: GenerationReason }
  /** A PASSIVE checkpoint while writers go on. */
  | { readonly do: "move bulk" }
  /** Flushes WAL and database, so that no flush of theirs is left for the time when writers are kept out. */
  | { readonly do: "flush" }
  | { readonly do: "keep writers out"; readonly mode: CheckpointMode; readonly isOutrun: boolean }
  /** The PASSIVE checkpoint of the remainder. */
  | { readonly do: "move rest"; readonly mode: CheckpointMode }
  /** Flushes the shadow WAL while writers wait for it. */
  | { readonly do: "flush shadow" }
  | { readonly do: "let writers in" };

/** Copies frames up to `view.mxFrame`, of the current index or of the next. */
export interface CopyStep {
  readonly do: "copy";
  readonly view: WalIndexView;
  readonly asOfMs: number;
  readonly index: WalIndex;
  readonly isNewIndex: boolean;
  readonly looksLeft: number;
}

/** Part of a plan that becomes steps when its turn comes, from what is held then. */
type Plan = Step | { readonly do: "capture" } | { readonly do: "settle" } | CloseIn;

/**
 * Moves and flushes in rounds, each what came during the one before, as long as that is at most half of what that had
 * to move; then keeps writers out for the rest.
 */
interface CloseIn {
  readonly do: "close in";
  readonly mode: CheckpointMode;
  /** The wal-index when the last round began; undefined before the first. */
  readonly last: WalIndexView | undefined;
}

const capture: Plan = { do: "capture" };
const beginRead: Plan = { do: "begin read" };
const endRead: Plan = { do: "end read" };
const handOver: readonly Plan[] = [beginRead, capture, endRead];
/** While writers go on. The newer read mark lets more be moved; what came meanwhile is copied before it is flushed. */
const moveBulk: readonly Plan[] = [...handOver, { do: "move bulk" }, capture, { do: "flush" }, capture];

export type Outcome =
  | { readonly of: "begin read"; readonly lock: ReadLockKind }
  | {
      readonly of:
        | "end read"
        | "take back read"
        | "move bulk"
        | "flush"
        | "move rest"
        | "flush shadow"
        | "let writers in";
    }
  /** The shadow WAL of an earlier run, proven against the WAL, or why it cannot be gone on with. */
  | { readonly of: "prove shadow"; readonly captured: CaptureState }
  | { readonly of: "prove shadow"; readonly captured: undefined; readonly reason: GenerationReason }
  | { readonly of: "look"; readonly view: WalIndexView; readonly atMs: number }
  /** Undefined when the WAL was restarted since it was looked at. */
  | { readonly of: "copy"; readonly captured: CaptureState | undefined }
  | { readonly of: "begin generation"; readonly captured: CaptureState }
  | { readonly of: "keep writers out"; readonly isLocked: boolean };

export type Goal =
  /** Copy everything visible. */
  | { readonly to: "capture" }
  /** The same, and move on from lock zero where the application would pay for it. */
  | { readonly to: "sync" }
  | { readonly to: "checkpoint"; readonly mode: CheckpointMode }
  | { readonly to: "begin generation"; readonly reason: GenerationReason };

/** Nothing is held: a database that was just opened. */
export const nothingHeld: Protocol = {
  captured: undefined,
  isProven: false,
  covered: false,
  asOfMs: 0,
  reads: [],
  writersOut: false,
  view: undefined,
  plan: [],
};

/** The state with a plan for `goal`. */
export function begin(state: Protocol, goal: Goal): Protocol {
  assert(state.plan.length === 0 && !state.writersOut, "one goal is reached before the next is begun");
  return planned(state, planFor(state, goal));
}

function planFor(state: Protocol, goal: Goal): readonly Plan[] {
  switch (goal.to) {
    case "capture":
      return [capture];
    case "sync":
      return [capture, { do: "settle" }];
    case "begin generation":
      return [...(state.reads.length === 0 ? [beginRead] : []), { do: "begin generation", reason: goal.reason }];
    case "checkpoint":
      return [capture, { do: "close in", mode: goal.mode, last: undefined }];
  }
}

/** The step to do next; undefined when the plan is done. */
export function nextStep(state: Protocol): Step | undefined {
  const [next] = state.plan;
  assert(next?.do !== "capture" && next?.do !== "settle" && next?.do !== "close in", "a plan begins with a step");
  return next;
}

/** The state after the next step of `state` was done. */
export function afterStep(state: Protocol, outcome: Outcome): Protocol {
  const step = nextStep(state);
  assert(step?.do === outcome.of, "an outcome belongs to the step that was due");
  const rest = state.plan.slice(1);
  switch (outcome.of) {
    case "begin read":
      return planned({ ...state, reads: [...state.reads, outcome.lock] }, rest);
    case "end read":
      return planned(withReads(state, state.reads.slice(1)), rest);
    case "take back read":
      return planned(withReads(state, state.reads.slice(0, -1)), rest);
    case "prove shadow":
      if (outcome.captured === undefined) {
        return planned(state, [{ do: "begin generation", reason: outcome.reason }, ...rest]);
      }
      return planned({ ...state, captured: outcome.captured, isProven: true }, [capture, ...rest]);
    case "begin generation":
      // A snapshot comes after this, and has whatever was in the database file when the read lock was taken.
      return planned({ ...state, captured: outcome.captured, isProven: true, covered: true }, [capture, ...rest]);
    case "look":
      assert(step.do === "look", "a look");
      return afterLook({ ...state, view: outcome.view }, outcome.view, outcome.atMs, step.looksLeft, rest);
    case "copy":
      assert(step.do === "copy", "a copy");
      if (outcome.captured === undefined) return planned(state, [{ do: "look", looksLeft: step.looksLeft }, ...rest]);
      return planned({ ...state, captured: outcome.captured, covered: true, asOfMs: step.asOfMs }, rest);
    case "keep writers out": {
      assert(step.do === "keep writers out", "a lock");
      // If it cannot be had, the read lock simply stays.
      if (!outcome.isLocked) return planned(state, rest);
      // Nobody can append now: what the first of these copies is all there will be of this WAL.
      const moved: readonly Plan[] = [capture, endRead, { do: "move rest", mode: step.mode }, beginRead];
      const flushed: readonly Plan[] = step.isOutrun ? [{ do: "flush shadow" }] : [];
      return planned({ ...state, writersOut: true }, [...moved, ...flushed, { do: "let writers in" }, ...rest]);
    }
    case "let writers in":
      return planned(withReads({ ...state, writersOut: false }, state.reads), rest);
    case "move bulk":
    case "flush":
    case "move rest":
    case "flush shadow":
      return planned(state, rest);
  }
}

/**
 * The state after the next step of `state` failed: the plan is given up; what was begun is taken back.
 * @param isProven false when the step may have left the shadow WAL other than `captured` says
 */
export function afterFailure(state: Protocol, isProven: boolean): Protocol {
  const failed = nextStep(state)?.do;
  const plan: Plan[] = [];
  if (state.reads.length > 1) plan.push({ do: "take back read" });
  if (state.writersOut) {
    // While writers are out no frame can be added, so a read lock that is taken now loses nothing.
    if (state.reads.length === 0 && failed !== "begin read") plan.push(beginRead);
    plan.push({ do: "let writers in" });
  }
  // What was seen may not be copied: it is looked for again, or it would count as captured while nobody commits.
  return planned({ ...state, view: undefined, isProven: state.isProven && isProven }, plan);
}

function afterLook(
  state: Protocol,
  view: WalIndexView,
  atMs: number,
  looksLeft: number,
  rest: readonly Plan[],
): Protocol {
  const { captured } = state;
  assert(captured !== undefined, "what was looked at is compared with what is held");
  const decision = decideSync(captured, view, state.covered);
  switch (decision.kind) {
    case "nothing":
      return planned({ ...state, covered: true, asOfMs: atMs }, rest);
    case "new-generation":
      return planned(state, [{ do: "begin generation", reason: decision.reason }, ...rest]);
    case "copy":
    case "begin-index": {
      const isNewIndex = decision.kind === "begin-index";
      const index = isNewIndex ? decision.index : captured.index;
      return planned(state, [{ do: "copy", view, asOfMs: atMs, index, isNewIndex, looksLeft: looksLeft - 1 }, ...rest]);
    }
  }
}

/** The state with its read transactions, and with `covered` as far as those allow it. */
function withReads(state: Protocol, reads: readonly ReadLockKind[]): Protocol {
  return { ...state, reads, covered: state.covered && (reads.length > 0 || state.writersOut) };
}

/** The state with a plan that begins with a step. */
function planned(state: Protocol, plan: readonly Plan[]): Protocol {
  const [next, ...rest] = plan;
  if (next?.do === "capture") return planned(state, [...stepsToCapture(state), ...rest]);
  if (next?.do === "settle") return planned(state, wantsHandOver(state) ? [...handOver, ...rest] : rest);
  if (next?.do === "close in") return planned(state, [...closeIn(state.view, next), ...rest]);
  return { ...state, plan };
}

function closeIn(view: WalIndexView | undefined, { mode, last }: CloseIn): readonly Plan[] {
  assert(view !== undefined, "a checkpoint begins with a look");
  const left = framesToMove(view);
  if (last === undefined || (left > framesUnderLockMax && left <= framesToMove(last) / 2)) {
    return [...moveBulk, { do: "close in", mode, last: view }];
  }
  // Where more came than could be moved meanwhile, each checkpoint would leave a longer WAL than the one before: from
  // 60 MB to 3 GB in eight of them, against a writer with synchronous=OFF. That one has to wait for all flushes.
  const isOutrun = view.mxFrame - last.mxFrame > framesToMove(last);
  return [{ do: "keep writers out", mode, isOutrun }];
}

function framesToMove({ mxFrame, nBackfill }: WalIndexView): number {
  return mxFrame - nBackfill;
}

function stepsToCapture(state: Protocol): readonly Plan[] {
  if (state.reads.length === 0 && !state.writersOut) return [beginRead, capture];
  return state.isProven ? [{ do: "look", looksLeft: looksMax }] : [{ do: "prove shadow" }];
}

/**
 * Sitting on WAL_READ_LOCK(0) while the WAL has frames makes each commit of the application try a checkpoint in vain
 * (measured: 486 against 15 microseconds a commit), so another transaction takes over, which then gets a mark.
 */
function wantsHandOver({ reads, view }: Protocol): boolean {
  return reads.length === 1 && reads[0] === "zero" && view !== undefined && !isBackfilled(view);
}
