/** Litestream's helpers of the same names: pure, over listings. Times are those of the objects, and inclusive. */
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import { formatWalIndex, type WalIndex } from "../position.ts";
import { LitestreamError } from "../errors.ts";
import { createdNs, timestampOf } from "./timestamp.ts";

/**
 * The newest snapshot of a generation at a time, by the times of the objects; of all where no time is given.
 * @throws LitestreamError NO_BACKUP where there is none
 */
export function snapshotIndexAt(
  snapshots: readonly SnapshotInfo[],
  generation: Generation,
  timestamp?: Date | bigint,
): WalIndex {
  const limitNs = timestamp === undefined ? undefined : nsOf(timestamp);
  let newest: SnapshotInfo | undefined;
  for (const info of snapshots) {
    if (info.generation !== generation || (limitNs !== undefined && createdNs(info) > limitNs)) continue;
    if (newest === undefined || createdNs(info) > createdNs(newest)) newest = info;
  }
  return (newest ?? noSnapshots(generation)).index;
}

/**
 * The highest snapshot of a generation whose index is not above `index`.
 * @throws LitestreamError NO_BACKUP where there is none
 */
export function snapshotIndexByIndex(
  snapshots: readonly SnapshotInfo[],
  generation: Generation,
  index: WalIndex,
): WalIndex {
  let highest: SnapshotInfo | undefined;
  for (const info of snapshots) {
    if (info.generation !== generation || info.index > index) continue;
    if (highest === undefined || info.index > highest.index) highest = info;
  }
  return (highest ?? noSnapshots(generation)).index;
}

/**
 * The highest WAL of a generation at a time, up to `maxIndex`; undefined where there is none.
 * @throws LitestreamError NO_SUCH_POINT where `maxIndex` is given, and is not the one found
 */
export function walIndexAt(
  wals: readonly WalInfo[],
  generation: Generation,
  maxIndex?: WalIndex,
  timestamp?: Date | bigint,
): WalIndex | undefined {
  const limitNs = timestamp === undefined ? undefined : nsOf(timestamp);
  let highest: WalIndex | undefined;
  for (const info of wals) {
    if (info.generation !== generation || info.index > (maxIndex ?? Infinity)) continue;
    if (limitNs !== undefined && createdNs(info) > limitNs) continue;
    if (highest === undefined || info.index > highest) highest = info.index;
  }
  if (maxIndex === undefined || highest === maxIndex) return highest;
  throw new LitestreamError(
    "NO_SUCH_POINT",
    `no WAL ${formatWalIndex(maxIndex)} in generation ${generation}` +
      (highest === undefined ? "" : `: the highest is ${formatWalIndex(highest)}`),
  );
}

function nsOf(timestamp: Date | bigint): bigint {
  return typeof timestamp === "bigint" ? timestamp : timestampOf(timestamp);
}

function noSnapshots(generation: Generation): never {
  throw new LitestreamError("NO_BACKUP", `no snapshots available in generation ${generation}`);
}
