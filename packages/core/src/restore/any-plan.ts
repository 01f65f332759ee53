/** Chooses between the layouts of a replica: one that went on under Litestream 0.5 has both. Pure. */
import { LitestreamError } from "../errors.ts";
import type { WalInfo } from "../layout/objects.ts";
import {
  ltxFileSizeBytesMin,
  type LtxInfo,
  type LtxObstacle,
  type LtxPlan,
  type LtxState,
  ltxStates,
  type LtxTarget,
  planLtx,
} from "../layout/ltx.ts";
import { formatTxid, type Txid } from "../ltx/txid.ts";
import type { FullListing } from "./listing.ts";
import { newestGeneration, newestUpdateNs } from "./generation-spans.ts";
import { newestLayout } from "./newest-layout.ts";
import { choosePlan } from "./plan.ts";
import { describeState, type PlanOptions, type RestorePlan, type RestoreTarget } from "./restore-plan.ts";
import { formatTimestamp, timestampOf } from "./timestamp.ts";

/** What is going to be restored, and from which objects. */
export type AnyPlan = WalLayoutPlan | LtxLayoutPlan;

interface PlanOfLayout {
  /** Bytes to read, as stored. */
  readonly storedBytes: number;
  /** When the newest of its objects was written: nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** In a forced plan: what it leaves out of what was asked for. */
  readonly lost: string | undefined;
}

/** A snapshot and WALs. */
export interface WalLayoutPlan extends PlanOfLayout {
  readonly layout: "wal";
  readonly wal: RestorePlan;
  /** The stored objects of its WALs. */
  readonly walObjects: readonly WalInfo[];
}

/** LTX files. */
export interface LtxLayoutPlan extends PlanOfLayout {
  readonly layout: "ltx";
  readonly ltx: LtxPlan;
}

/** @throws LitestreamError as `choosePlan` */
export function chooseAnyPlan(
  listing: FullListing,
  target: RestoreTarget & { readonly txid?: Txid },
  options: PlanOptions,
): AnyPlan {
  const { txid, timeNs } = target;
  const hasLtx = listing.ltx.length > 0;
  const hasWal = listing.snapshots.length > 0 || listing.wals.length > 0;
  if (txid !== undefined) return ltxPlan(listing, { txid }, options);
  const isWalTarget = target.generation !== undefined || target.index !== undefined;
  if (!hasLtx || isWalTarget) return walPlan(listing, target, options);
  if (timeNs === undefined) {
    const newest = newestLayout(listing);
    if (newest === "unknown") throw ambiguous(listing);
    return newest === "wal" ? walPlan(listing, target, options) : ltxPlan(listing, {}, options);
  }
  // Files whose time lies before this one: so a time between two milliseconds is the next one.
  const timestamp = new Date(Number((timeNs + 999_999n) / 1_000_000n));
  if (hasWal) {
    const found = planLtx(listing.ltx, { timestamp }, options.exclude);
    if (found.kind === "obstacle" && found.reason === "before-first") {
      // The time between the two: the last state before it, as in Litestream 0.5.
      const newestNs = newestUpdateNs(listing);
      return walPlan(listing, { timeNs: timeNs < newestNs ? timeNs : newestNs }, options);
    }
  }
  return ltxPlan(listing, { timestamp }, options);
}

/** For people: what a plan restores. */
export function describePlan(plan: AnyPlan): string {
  if (plan.layout === "wal") return describeState(plan.wal);
  return describeLtxState(plan.ltx.state);
}

function walPlan(listing: FullListing, target: RestoreTarget, options: PlanOptions): WalLayoutPlan {
  const plan = choosePlan(listing, target, options);
  const { storedBytes, timeNs, lost, generation, wals } = plan;
  const included = new Set(wals);
  const walObjects = listing.wals.filter((info) => info.generation === generation && included.has(info.index));
  return { layout: "wal", wal: plan, walObjects, storedBytes, timeNs, lost };
}

function ltxPlan(listing: FullListing, target: LtxTarget, options: PlanOptions): LtxLayoutPlan {
  const found = planLtx(listing.ltx, target, options.exclude);
  if (found.kind === "plan") return asPlan(found, undefined);
  const { earlier } = found;
  const why = describeObstacle(found, listing.ltx, options.exclude);
  if (options.force === true && found.reason === "gap" && earlier !== undefined) {
    const before = planLtx(listing.ltx, { txid: earlier.txid }, options.exclude);
    if (before.kind === "plan") return asPlan(before, `what came after ${describeLtxState(earlier)}: ${why}`);
  }
  throw ltxError(listing, target, found, why, options);
}

function asPlan(ltx: LtxPlan, lost: string | undefined): LtxLayoutPlan {
  const storedBytes = ltx.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { layout: "ltx", ltx, storedBytes, timeNs: timestampOf(ltx.state.createdAt), lost };
}

function ambiguous(listing: FullListing): LitestreamError {
  const newest = ltxStates(listing.ltx).at(-1);
  const generation = newestGeneration(listing);
  const choices = [
    ...(newest === undefined ? [] : [`-txid ${formatTxid(newest.txid)} for ${describeLtxState(newest)}`]),
    ...(generation === undefined ? [] : [`-generation ${generation} for the newest state of that`]),
  ];
  return new LitestreamError(
    "BACKUP_AMBIGUOUS",
    `${listing.location} holds generations and LTX files, and which of them are newer cannot be told: its objects` +
      " have lost the times at which they were written",
    { path: listing.location, hint: `Say which state you want: ${choices.join(", or ")}.` },
  );
}

function ltxError(
  { location, ltx }: FullListing,
  target: LtxTarget,
  { reason, earlier, later }: LtxObstacle,
  why: string,
  options: PlanOptions,
): LitestreamError {
  if (reason === "empty") {
    return new LitestreamError("NO_BACKUP", `no LTX files found in ${location}`, {
      path: location,
      hint: "Only replicas by Litestream 0.5 have transaction IDs; take another kind of point, or check the path.",
    });
  }
  if (reason === "gap") {
    return new LitestreamError("BACKUP_INCOMPLETE", `${location} cannot be restored: ${why}`, {
      path: location,
      hint:
        earlier === undefined
          ? "Bring back what is missing, or use another replica."
          : "Bring back what is missing, use another replica, or take the newest state that can be restored," +
            ` ${describeLtxState(earlier)}, with: ${options.forceHint ?? "-force"}`,
    });
  }
  const states = ltxStates(ltx, options.exclude);
  const [first, last] = [states[0], states.at(-1)];
  const what =
    target.txid === undefined
      ? `${formatTimestamp(timestampOf(target.timestamp ?? new Date(0)))} or before`
      : `transaction ${formatTxid(target.txid)}`;
  const nearest = [earlier, later].filter((state) => state !== undefined).map(describeLtxState);
  const hint =
    reason === "compacted"
      ? `The nearest states: ${nearest.join(", and ")}.`
      : first === undefined || last === undefined
        ? "Use another replica."
        : `It holds the states from ${describeLtxState(first)} to ${describeLtxState(last)}.`;
  return new LitestreamError("NO_SUCH_POINT", `${location} holds no state of ${what}: ${why}`, {
    path: location,
    hint,
  });
}

function describeObstacle(
  { reason, missing }: LtxObstacle,
  ltx: readonly LtxInfo[],
  exclude: ReadonlySet<string> | undefined,
): string {
  switch (reason) {
    case "gap": {
      if (missing === undefined) return "transactions are missing";
      const unusable = ltx
        .filter(({ minTxid, maxTxid }) => minTxid <= missing.maxTxid && maxTxid >= missing.minTxid)
        .filter(({ path, sizeBytes }) => exclude?.has(path) === true || sizeBytes < ltxFileSizeBytesMin)
        .map(({ path, sizeBytes }) => `${path}, ${sizeBytes} bytes, is damaged`);
      const range = `${formatTxid(missing.minTxid)} to ${formatTxid(missing.maxTxid)}`;
      const files = unusable.length === 0 ? "" : `: ${unusable.join("; ")}`;
      return `transactions ${range} are in no file that can be used${files}`;
    }
    case "compacted":
      return "it was merged with later transactions";
    case "before-first":
      return "that is before its first file";
    case "after-last":
      return "that is after its last file";
    case "empty":
      return "it has no LTX files";
  }
}

function describeLtxState({ txid, createdAt }: LtxState): string {
  return `transaction ${formatTxid(txid)} of ${formatTimestamp(timestampOf(createdAt))}`;
}
