/**
 * Keeps a restored copy up to date with its replica, while others read it: a warm standby. What the replica holds
 * beyond the copy's state is read, verified, and becomes visible at once, by SQLite's own rules (followed-copy.ts).
 * Where the copy's state does not go on there (another generation, a WAL that was deleted or is damaged) the latest
 * state is restored beside it, checked, and the pages that differ become visible at once in the same way.
 */
import { existsSync, linkSync, renameSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { throwIfAborted } from "../abort.ts";
import { isLitestreamError, LitestreamError, systemErrorCode } from "../errors.ts";
import { syncFolder } from "../folders.ts";
import { formatTxid } from "../ltx/txid.ts";
import { formatPosition } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { type CopyEnd, FollowedCopy } from "../sqlite/followed-copy.ts";
import { ReplicatorLock } from "../sqlite/replicator-lock.ts";
import { sameSalts } from "../wal/header.ts";
import { appendLtx, appendWals, NotContinued } from "./follow-changes.ts";
import { followIdentity, loadFollowListing, planFollow } from "./follow-plan.ts";
import { replaceContent } from "./follow-replace.ts";
import { type CopyState, FollowFiles, type FollowedState } from "./follow-state.ts";
import type { FullListing } from "./listing.ts";
import { outputError, requireFreeOutput } from "./output-file.ts";
import { ReaderHold } from "./reader-hold.ts";
import { restore, type RestoreEvent, type RestoreResult } from "./restore.ts";

export interface FollowOptions {
  readonly replica: ReplicaReader;
  /**
   * The copy. Where nothing is there, the latest state is restored first; where this function left one, it goes on. Its
   * own files are in `.<name>-follow/` beside it.
   */
  readonly outputPath: string;
  /** How long to wait before the replica is looked at again: 1000 where absent. */
  readonly intervalMs?: number | undefined;
  /** As in `restore`, for whenever a state is restored as a whole. */
  readonly integrityCheck?: "quick" | "full" | "none" | undefined;
  readonly parallelism?: number | undefined;
  readonly onEvent?: ((event: FollowEvent) => void) | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

export type FollowEvent =
  /** How far a restore has come. */
  | { readonly type: "restore"; readonly event: RestoreEvent }
  /** The copy is there, with the state that was restored. */
  | { readonly type: "restored"; readonly result: RestoreResult }
  /** A copy that was there goes on from this state. */
  | { readonly type: "resumed"; readonly state: FollowedState }
  /** Readers see the state from now on. `lagMs`: the age of the newest of it, by the clocks of both machines. */
  | {
      readonly type: "applied";
      readonly state: FollowedState;
      readonly pages: number;
      readonly durationMs: number;
      readonly lagMs: number;
    }
  /** The copy's state did not go on in the replica, and was replaced by the one that was restored. */
  | { readonly type: "replaced"; readonly why: string; readonly result: RestoreResult; readonly pages: number }
  /** The copy stays as it is; it is tried again after `retryMs`. Said once for each message, until something works. */
  | { readonly type: "waiting"; readonly error: LitestreamError; readonly retryMs: number };

const intervalMsDefault = 1000;
const retryMsMax = 60_000;

/** The WAL of the copy is checkpointed from here on, and again after so many more. */
const checkpointFrames = 1000;

/**
 * Listings before a state counts as not continued: a WAL changes its name when it is compressed, and may be listed
 * under neither.
 */
const listingsMax = 3;

/** What passes by itself, or is mended in the replica: the copy stays readable meanwhile. */
const passingCodes = [
  "BACKUP_DAMAGED",
  "BACKUP_INCOMPLETE",
  "DATABASE_BUSY",
  "NO_BACKUP",
  "NO_SUCH_POINT",
  "OBJECT_CHANGED",
  "OBJECT_MISSING",
  "OUTPUT_UNAVAILABLE",
  "REPLICA_UNAVAILABLE",
] as const;

/**
 * Follows a replica until `signal` is aborted, and resolves then. A copy may be read by any process, with SQLite; it
 * must not be written to: whatever others wrote is undone when it is noticed.
 * @throws LitestreamError OUTPUT_EXISTS where another database is at the path; DATABASE_IN_USE where another process
 * follows into it; COPY_UNUSABLE where the page size changed; what `restore` throws, before there is a copy
 */
export async function follow(options: FollowOptions): Promise<void> {
  const { signal, intervalMs = intervalMsDefault, onEvent } = options;
  await using follower = await Follower.start(options);
  let [said, retryMs] = ["", intervalMs];
  while (signal?.aborted !== true) {
    try {
      await follower.step();
      [said, retryMs] = ["", intervalMs];
    } catch (error) {
      if (isLitestreamError(error, "ABORTED")) return;
      if (!isLitestreamError(error, ...passingCodes)) throw error;
      if (said !== error.message) onEvent?.({ type: "waiting", error, retryMs });
      said = error.message;
      await passed(retryMs, signal);
      retryMs = Math.min(2 * retryMs, Math.max(retryMsMax, intervalMs));
      continue;
    }
    await passed(intervalMs, signal);
  }
}

class Follower implements AsyncDisposable {
  readonly #options: FollowOptions;
  readonly #path: string;
  readonly #files: FollowFiles;
  readonly #lock: ReplicatorLock;
  readonly #hold: ReaderHold;
  readonly #copy: FollowedCopy;
  #current: CopyState;
  /** The copy may hold this already: it must not show anything before it. */
  #atLeast: FollowedState | undefined;
  /** Why the copy's own content is not to be trusted. */
  #distrust: string | undefined;
  /** What was looked at last, and had nothing more. */
  #seen: string | undefined;
  #checkpointAt = checkpointFrames;

  private constructor(
    options: FollowOptions,
    files: FollowFiles,
    lock: ReplicatorLock,
    copy: FollowedCopy,
    current: CopyState,
  ) {
    this.#options = options;
    this.#path = copy.path;
    this.#files = files;
    this.#lock = lock;
    this.#copy = copy;
    this.#current = current;
    this.#hold = new ReaderHold(options.replica, { afterMs: 0 });
    this.#holdWhatIsNeeded();
  }

  static async start(options: FollowOptions): Promise<Follower> {
    const path = resolve(options.outputPath);
    throwIfAborted(options.signal, "following");
    const files = new FollowFiles(path);
    if (!existsSync(path) || !existsSync(files.state)) requireFreeOutput(path);
    files.make();
    using cleanUp = new DisposableStack();
    const lock = cleanUp.adopt(new ReplicatorLock(files.lock, path, "followed"), (held) => held.release());
    files.removeRestored();
    const record = existsSync(path) ? files.read() : undefined;
    if (record === undefined) {
      const result = await restoreBeside(options, files);
      const restored = { state: stateOf(result), end: undefined };
      files.write({ before: restored, after: restored });
      moveIntoPlace(files.restored, path);
      const copy = cleanUp.use(FollowedCopy.open(path));
      const follower = new Follower(options, files, lock, copy, restored);
      cleanUp.move();
      options.onEvent?.({ type: "restored", result });
      return follower;
    }
    const copy = cleanUp.use(FollowedCopy.open(path));
    const follower = new Follower(options, files, lock, copy, record.after);
    follower.#resume(record.before, record.after);
    cleanUp.move();
    options.onEvent?.({ type: "resumed", state: follower.#current.state });
    return follower;
  }

  /** Which of the two states the copy holds: the last change became visible, or it did not. */
  #resume(before: CopyState, after: CopyState): void {
    const end = this.#copy.end();
    if (end.mxFrame > 0) {
      if (sameEnd(after.end, end)) return;
      this.#current = before;
      if (!sameEnd(before.end, end)) this.#distrust = "somebody else wrote to the copy";
      return;
    }
    // Everything went into the database file since: what of it cannot be told.
    this.#current = { state: before.state, end: undefined };
    if (!sameState(before.state, after.state)) this.#atLeast = after.state;
  }

  /** Brings the copy to what the replica holds now. */
  async step(): Promise<void> {
    if (!this.#copy.isCurrent()) {
      throw new LitestreamError("COPY_UNUSABLE", `the copy ${this.#path} was removed or replaced`, {
        path: this.#path,
        hint: "Start again: it goes on with a copy of its own, or restores one where there is none.",
      });
    }
    if (this.#distrust !== undefined) return this.#replace(this.#distrust);
    for (let listings = 1; ; listings++) {
      const { state } = this.#current;
      const listing = await loadFollowListing(this.#options.replica, state);
      if (followIdentity(listing, state) === this.#seen && this.#atLeast === undefined) return;
      try {
        await this.#apply(listing);
        this.#seen = followIdentity(listing, this.#current.state);
        return;
      } catch (error) {
        const isVanished = error instanceof NotContinued || isLitestreamError(error, "OBJECT_MISSING");
        if (isVanished && listings < listingsMax) continue;
        if (error instanceof NotContinued) return this.#replace(error.message);
        if (!isLitestreamError(error, "BACKUP_DAMAGED", "OBJECT_MISSING")) throw error;
        return this.#replaceAfter(error);
      }
    }
  }

  async #apply(listing: FullListing): Promise<void> {
    const { replica, signal } = this.#options;
    const { state } = this.#current;
    const plan = planFollow(listing, state);
    if (plan.kind === "restore") throw new NotContinued(plan.why);
    if (plan.kind === "current") {
      if (this.#atLeast !== undefined) throw new NotContinued("it does not hold what the copy had of it");
      return;
    }
    const startMs = performance.now();
    using transaction = this.#copy.begin();
    if (!this.#isOurs(transaction.before)) throw new NotContinued("somebody else wrote to the copy");
    const source = { replica, listing, pageSize: this.#copy.pageSize, signal };
    const reached =
      plan.kind === "ltx"
        ? await appendLtx(source, plan.files, transaction)
        : await appendWals(source, state.layout === "wal" ? state : unreachable(), plan.indexes, transaction);
    if (reached === undefined) return;
    if (this.#atLeast !== undefined && isBefore(reached, this.#atLeast)) {
      throw new NotContinued("it does not hold what the copy had of it");
    }
    const end = transaction.prepare();
    if (end === undefined) {
      // Nothing but where the next WAL begins.
      this.#current = { state: reached, end: this.#current.end };
      return;
    }
    this.#files.write({ before: { state, end: transaction.before }, after: { state: reached, end } });
    const pages = transaction.publish();
    this.#become({ state: reached, end });
    const durationMs = performance.now() - startMs;
    const lagMs = Math.max(0, Date.now() - newestMs(listing, reached));
    this.#options.onEvent?.({ type: "applied", state: reached, pages, durationMs, lagMs });
    transaction[Symbol.dispose]();
    this.#checkpoint();
  }

  /** What is damaged, or is gone, may be covered by a newer snapshot. */
  async #replaceAfter(error: LitestreamError): Promise<void> {
    try {
      await this.#replace(error.message);
    } catch (second) {
      // It fails for the same reason, with what the operator of a restore could do: here he cannot.
      if (!isLitestreamError(second, "BACKUP_DAMAGED", "BACKUP_INCOMPLETE", "OBJECT_MISSING")) throw second;
      throw error;
    }
  }

  async #replace(why: string): Promise<void> {
    const result = await restoreBeside(this.#options, this.#files);
    const state = stateOf(result);
    // So that its file can be compared page by page.
    this.#copy.checkpoint();
    using transaction = this.#copy.begin();
    const pages = await replaceContent(transaction, this.#files.restored, this.#copy.pageSize, this.#options.signal);
    const end = transaction.prepare();
    if (end === undefined) throw new TypeError("a database has at least one page");
    this.#files.write({ before: { state: this.#current.state, end: transaction.before }, after: { state, end } });
    transaction.publish();
    this.#distrust = undefined;
    this.#become({ state, end });
    transaction[Symbol.dispose]();
    this.#files.removeRestored();
    this.#options.onEvent?.({ type: "replaced", why, result, pages });
    this.#checkpoint();
  }

  #become(current: CopyState): void {
    this.#current = current;
    this.#atLeast = undefined;
    this.#seen = undefined;
    this.#holdWhatIsNeeded();
  }

  #isOurs(end: CopyEnd): boolean {
    const { end: ours } = this.#current;
    return end.mxFrame === 0 || sameEnd(ours, end);
  }

  #checkpoint(): void {
    const frames = this.#current.end?.mxFrame ?? 0;
    if (frames < this.#checkpointAt) return;
    const { complete } = this.#copy.checkpoint();
    this.#checkpointAt = complete ? checkpointFrames : frames + checkpointFrames;
    if (!complete) return;
    const { state } = this.#current;
    this.#current = { state, end: undefined };
    this.#files.write({ before: this.#current, after: this.#current });
  }

  #holdWhatIsNeeded(): void {
    const { state } = this.#current;
    if (state.layout === "wal") this.#hold.hold(state.position.generation, state.position.index);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#copy.close();
    this.#lock.release();
    await this.#hold[Symbol.asyncDispose]();
  }
}

/** For people. */
export function formatFollowedState(state: FollowedState): string {
  return state.layout === "wal" ? formatPosition(state.position) : `transaction ${formatTxid(state.txid)}`;
}

function restoreBeside(options: FollowOptions, files: FollowFiles): Promise<RestoreResult> {
  const { replica, integrityCheck, parallelism, signal, onEvent } = options;
  files.removeRestored();
  return restore({
    replica,
    outputPath: files.restored,
    integrityCheck,
    parallelism,
    signal,
    onProgress: (event) => onEvent?.({ type: "restore", event }),
  });
}

function stateOf(result: RestoreResult): FollowedState {
  return result.layout === "ltx"
    ? { layout: "ltx", txid: result.txid }
    : { layout: "wal", position: result.position, chain: undefined };
}

/** Never replaces what is there. */
function moveIntoPlace(from: string, to: string): void {
  requireFreeOutput(to);
  try {
    try {
      linkSync(from, to);
      rmSync(from);
    } catch (error) {
      if (systemErrorCode(error) === "EEXIST") requireFreeOutput(to);
      // A file system without links; the path was free a moment ago.
      renameSync(from, to);
    }
    syncFolder(dirname(to));
  } catch (error) {
    throw outputError(error, to);
  }
}

/** Milliseconds since 1970: when the newest of what makes the state was written. */
function newestMs(listing: FullListing, state: FollowedState): number {
  if (state.layout === "ltx") {
    const times = listing.ltx
      .filter(({ maxTxid }) => maxTxid === state.txid)
      .map(({ createdAt }) => createdAt.getTime());
    return Math.min(...times, Date.now());
  }
  const { generation, index } = state.position;
  const points = listing.walPoints?.find((found) => found.generation === generation && found.index === index);
  const times = listing.wals
    .filter((info) => info.generation === generation && info.index === index)
    .map(({ createdAt }) => createdAt.getTime());
  return points?.points.at(-1)?.timeMs ?? Math.max(...times);
}

function sameState(a: FollowedState, b: FollowedState): boolean {
  return formatFollowedState(a) === formatFollowedState(b);
}

/** False where the two cannot be compared, but are not the same either. */
function isBefore(state: FollowedState, other: FollowedState): boolean {
  if (state.layout === "ltx") return other.layout !== "ltx" || state.txid < other.txid;
  if (other.layout !== "wal" || state.position.generation !== other.position.generation) return true;
  return formatPosition(state.position) < formatPosition(other.position);
}

function sameEnd(a: CopyEnd | undefined, b: CopyEnd): boolean {
  if (a === undefined) return b.mxFrame === 0;
  const { s1, s2 } = a.checksum;
  return a.mxFrame === b.mxFrame && sameSalts(a.salts, b.salts) && s1 === b.checksum.s1 && s2 === b.checksum.s2;
}

function unreachable(): never {
  throw new TypeError("a plan of WALs is made for a state of WALs");
}

/** Resolves early when the signal is given. */
function passed(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve: done } = Promise.withResolvers<void>();
  const timer = setTimeout(done, ms);
  const onAbort = (): void => {
    clearTimeout(timer);
    done();
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise.finally(() => signal?.removeEventListener("abort", onAbort));
}
