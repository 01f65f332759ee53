import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { WalIndex } from "../position.ts";

/** What a listing says of a generation. */
export interface Standing {
  /** Undefined where it has none. */
  readonly newestSnapshot: WalIndex | undefined;
  /** Milliseconds since 1970. */
  readonly newestSnapshotAtMs: number | undefined;
  /** Its newest snapshot has every WAL from its index to the newest one: the latest state can be restored. */
  readonly isWhole: boolean;
  /** WAL from the newest snapshot's index on, as it is stored. */
  readonly walBytes: number;
}

export function standingOf(snapshots: readonly SnapshotInfo[], wals: readonly WalInfo[]): Standing {
  const newest = snapshots.reduce<SnapshotInfo | undefined>(
    (best, info) => (best === undefined || info.index > best.index ? info : best),
    undefined,
  );
  if (newest === undefined) {
    return { newestSnapshot: undefined, newestSnapshotAtMs: undefined, isWhole: false, walBytes: 0 };
  }
  const after = wals.filter(({ index }) => index >= newest.index);
  const indexes = new Set(after.map(({ index }) => index));
  // As many as there are indexes from the snapshot's to the highest, so none is missing.
  const highest = after.reduce((max, { index }) => Math.max(max, index), newest.index - 1);
  return {
    newestSnapshot: newest.index,
    newestSnapshotAtMs: newest.createdAt.getTime(),
    isWhole: indexes.size === highest - newest.index + 1,
    walBytes: after.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}
