/**
 * Names of the `ltx` layout, which Litestream 0.5 writes, and which files of it make up a state.
 *
 *     ltx/<level>/<min>-<max>.ltx      in folders (also over SFTP, and in Google's and Azure's stores)
 *     <level>/<min>-<max>.ltx          in S3 and what is like it, the level as 4 hexadecimal digits
 *
 * Level: 0 for what was copied as it came, 1 to 8 for what was compacted out of the level below, 9 for snapshots. Min
 * and max: the first and last transaction, 16 hexadecimal digits each. A file takes the database from any state from
 * min - 1 on to the state max; one with min 1 does so from nothing. So files may overlap, and where two of them end at
 * the same transaction, either will do.
 */
import { ltxHeaderSizeBytes } from "../ltx/header.ts";
import { pageHeaderSizeBytes } from "../ltx/page.ts";
import { trailerSizeBytes } from "../ltx/trailer.ts";
import { compareTxids, formatTxid, type Txid, txid } from "../ltx/txid.ts";
import type { StoreEntry } from "../store/store.ts";

export const ltxSnapshotLevel = 9;

/** The end of an index, and its size. */
const emptyIndexSizeBytes = 1 + 8;

/** An LTX file without pages: what is smaller is none. */
export const ltxFileSizeBytesMin: number =
  ltxHeaderSizeBytes + pageHeaderSizeBytes + emptyIndexSizeBytes + trailerSizeBytes;

/** How levels are named: `ltx/9`, or `0009`. */
export type LtxLevelStyle = "decimal" | "hexadecimal";

export interface LtxName {
  readonly level: number;
  readonly minTxid: Txid;
  readonly maxTxid: Txid;
}

/** An LTX file of a replica, as its store lists it. */
export interface LtxInfo extends LtxName {
  /** Path below the replica's root. */
  readonly path: string;
  readonly sizeBytes: number;
  /** When the file was made, by its header where that was read (ltx-times.ts), else by its store. */
  readonly createdAt: Date;
  /** When the store got it. */
  readonly modifiedAt: Date;
  /** Whether `createdAt` is that of its header. */
  readonly isDated: boolean;
}

export function ltxLevelKey(level: number, style: LtxLevelStyle): string {
  return style === "decimal" ? `ltx/${level}` : level.toString(16).padStart(4, "0");
}

export function ltxKey(name: LtxName, style: LtxLevelStyle): string {
  return `${ltxLevelKey(name.level, style)}/${formatTxid(name.minTxid)}-${formatTxid(name.maxTxid)}.ltx`;
}

/** Undefined for anything that is not named as an LTX file, in either style. */
export function parseLtxKey(key: string): LtxName | undefined {
  const match = /^(?:ltx\/|000)([0-9])\/([0-9a-f]{16})-([0-9a-f]{16})\.ltx$/.exec(key);
  const [, level, first, last] = match ?? [];
  if (level === undefined || first === undefined || last === undefined) return undefined;
  const [min, max] = [BigInt(`0x${first}`), BigInt(`0x${last}`)];
  if (min === 0n || max < min) return undefined;
  return { level: Number(level), minTxid: txid(min), maxTxid: txid(max) };
}

/** Undefined for anything that is not named as an LTX file. */
export function ltxInfo({ key, sizeBytes, modifiedAt }: StoreEntry): LtxInfo | undefined {
  const name = parseLtxKey(key);
  return name === undefined
    ? undefined
    : { ...name, path: key, sizeBytes, createdAt: modifiedAt, modifiedAt, isDated: false };
}

/** The state to restore: the latest where both are absent, and by the transaction where both are there. */
export interface LtxTarget {
  /** Exactly the state after this transaction. */
  readonly txid?: Txid;
  /** The latest state out of files whose time lies before this one, and is not the same: as in Litestream 0.5. */
  readonly timestamp?: Date;
}

/** A state that can be restored. */
export interface LtxState {
  readonly txid: Txid;
  /** The time of a file that ends there: of the one that is planned, else of the earliest. */
  readonly createdAt: Date;
}

export interface LtxRange {
  readonly minTxid: Txid;
  readonly maxTxid: Txid;
}

export interface LtxPlan {
  readonly kind: "plan";
  /** To be applied in this order, each over all before it: later pages win. The first begins at transaction 1. */
  readonly files: readonly LtxInfo[];
  readonly state: LtxState;
  /**
   * The first state after it that can be restored. Between the two lie transactions that the replica holds, but can no
   * longer tell apart, or date.
   */
  readonly next: LtxState | undefined;
}

/** Why a state cannot be restored. */
export interface LtxObstacle {
  readonly kind: "obstacle";
  /**
   * - `empty`: the replica has no LTX file;
   * - `before-first`: the time lies before, or at, that of the first file;
   * - `after-last`: the time, or the transaction, lies after the last one;
   * - `compacted`: no file that could be used ends with the transaction; one does that goes on to later ones;
   * - `gap`: transactions are `missing` that no file holds which could be used.
   */
  readonly reason: "empty" | "before-first" | "after-last" | "compacted" | "gap";
  /** With `gap`: the first range that is missing. */
  readonly missing: LtxRange | undefined;
  /** The nearest states around the target that can be restored. */
  readonly earlier: LtxState | undefined;
  readonly later: LtxState | undefined;
}

/**
 * Chooses the files that give the target: of all that go on from the state reached the one that goes furthest, of those
 * the one that begins first, and of those the one of the highest level. So it begins with the newest snapshot up to the
 * target, if there is one, and then takes the files of the highest levels; this is what Litestream 0.5.16 does, but for
 * files before one with min 1, which are left out. Nothing is lost by this choice: from the furthest state every file
 * can be used that can be used from any other.
 *
 * Unlike Litestream it gives no state that is older than what the replica claims to hold up to the target.
 * @param exclude paths of files that cannot be used, as they were found damaged; files that are too small for any LTX
 * file are never used. Both count as claimed.
 */
export function planLtx(
  entries: readonly LtxInfo[],
  target: LtxTarget = {},
  exclude: ReadonlySet<string> = new Set(),
): LtxPlan | LtxObstacle {
  const usable = entries.filter((info) => isUsable(info, exclude));
  const limits = limitsOf(entries, target);
  if (typeof limits === "string") return obstacle(limits, usable, target, undefined);

  const { claimedTxid, isWithin } = limits;
  const byFirst = usable.toSorted((a, b) => compareTxids(a.minTxid, b.minTxid));
  const within = byFirst.filter(isWithin);
  const files = furthest(within);
  const last = files.at(-1);
  if (last !== undefined && last.maxTxid === claimedTxid) {
    const state = { txid: last.maxTxid, createdAt: last.createdAt };
    return { kind: "plan", files, state, next: ltxStates(usable).find((other) => other.txid > claimedTxid) };
  }

  const reached = last?.maxTxid ?? 0n;
  const goesOn = (info: LtxInfo): boolean => info.maxTxid > reached;
  const behindGap = within.find(goesOn);
  const anyBehind = behindGap ?? byFirst.find(goesOn);
  if (behindGap === undefined && anyBehind !== undefined && anyBehind.minTxid <= reached + 1n) {
    return obstacle("compacted", usable, { txid: claimedTxid }, undefined);
  }
  const missingMax = anyBehind === undefined ? claimedTxid : txid(anyBehind.minTxid - 1n);
  const missing = { minTxid: txid(reached + 1n), maxTxid: missingMax };
  return obstacle("gap", usable, { txid: claimedTxid }, missing);
}

/**
 * The files that lead from a state to the highest transaction of any name, each applied over all before it; undefined
 * where no chain of files does.
 */
export function ltxFilesSince(entries: readonly LtxInfo[], since: Txid): readonly LtxInfo[] | undefined {
  const later = entries.filter(({ maxTxid }) => maxTxid > since);
  const usable = later.filter((info) => isUsable(info, new Set()));
  const files = furthest(
    usable.toSorted((a, b) => compareTxids(a.minTxid, b.minTxid)),
    since,
  );
  const [first] = later;
  const claimed = first === undefined ? since : highestTxid(later, first.maxTxid);
  return (files.at(-1)?.maxTxid ?? since) === claimed ? files : undefined;
}

/** All states that can be restored from the files that are not excluded, earliest first. */
export function ltxStates(entries: readonly LtxInfo[], exclude: ReadonlySet<string> = new Set()): LtxState[] {
  const states: LtxState[] = [];
  const byLast = entries
    .filter((info) => isUsable(info, exclude))
    .toSorted((a, b) => compareTxids(a.maxTxid, b.maxTxid) || a.createdAt.getTime() - b.createdAt.getTime());
  for (const { minTxid, maxTxid, createdAt } of byLast) {
    const newest = states.at(-1);
    if (newest?.txid === maxTxid) continue;
    if (minTxid <= (newest?.txid ?? 0n) + 1n) states.push({ txid: maxTxid, createdAt });
  }
  return states;
}

interface Limits {
  /** The state that is claimed for the target. */
  readonly claimedTxid: Txid;
  /** Whether a file is old enough for the target. */
  readonly isWithin: (info: LtxInfo) => boolean;
}

function limitsOf(entries: readonly LtxInfo[], target: LtxTarget): Limits | "empty" | "before-first" | "after-last" {
  const [first] = entries;
  if (first === undefined) return "empty";
  const { txid: targetTxid, timestamp } = target;
  if (targetTxid !== undefined) {
    if (targetTxid > highestTxid(entries, first.maxTxid)) return "after-last";
    return { claimedTxid: targetTxid, isWithin: ({ maxTxid }) => maxTxid <= targetTxid };
  }
  if (timestamp === undefined) {
    return { claimedTxid: highestTxid(entries, first.maxTxid), isWithin: () => true };
  }
  const isWithin = ({ createdAt }: LtxInfo): boolean => createdAt.getTime() < timestamp.getTime();
  if (entries.every(({ createdAt }) => createdAt.getTime() < timestamp.getTime())) return "after-last";
  const within = entries.filter(isWithin);
  const [firstWithin] = within;
  if (firstWithin === undefined) return "before-first";
  return { claimedTxid: highestTxid(within, firstWithin.maxTxid), isWithin };
}

function highestTxid(entries: readonly LtxInfo[], start: Txid): Txid {
  return entries.reduce((highest, { maxTxid }) => (maxTxid > highest ? maxTxid : highest), start);
}

/** The chain of files that goes as far as any does. @param byFirst files in the order of their first transaction */
function furthest(byFirst: readonly LtxInfo[], since: bigint = 0n): LtxInfo[] {
  const chain: LtxInfo[] = [];
  let reached = since;
  let best: LtxInfo | undefined;
  for (let at = 0; ;) {
    for (let info = byFirst[at]; info !== undefined && info.minTxid <= reached + 1n; info = byFirst[++at]) {
      if (best === undefined || isBetter(info, best)) best = info;
    }
    if (best === undefined || best.maxTxid <= reached) return chain;
    chain.push(best);
    reached = best.maxTxid;
  }
}

function isBetter(a: LtxInfo, b: LtxInfo): boolean {
  if (a.maxTxid !== b.maxTxid) return a.maxTxid > b.maxTxid;
  if (a.minTxid !== b.minTxid) return a.minTxid < b.minTxid;
  if (a.level !== b.level) return a.level > b.level;
  return a.createdAt.getTime() < b.createdAt.getTime();
}

function obstacle(
  reason: LtxObstacle["reason"],
  usable: readonly LtxInfo[],
  target: LtxTarget,
  missing: LtxRange | undefined,
): LtxObstacle {
  const states = ltxStates(usable);
  const isLater = (state: LtxState): boolean => {
    if (target.txid !== undefined) return state.txid > target.txid;
    if (target.timestamp !== undefined) return state.createdAt.getTime() >= target.timestamp.getTime();
    return false;
  };
  return {
    kind: "obstacle",
    reason,
    missing,
    earlier: states.findLast((state) => !isLater(state)),
    later: states.find(isLater),
  };
}

function isUsable(info: LtxInfo, exclude: ReadonlySet<string>): boolean {
  return info.sizeBytes >= ltxFileSizeBytesMin && !exclude.has(info.path);
}
