/**
 * Which objects of a replica make up its latest state. Pure: listings in, a plan or the reason against one out.
 *
 * The generation is the one updated last, as in Litestream 0.3.4; its snapshot is the one of the highest index (0.3.4
 * takes the newest by file time, which is the same unless files were copied without their times); its WALs are those
 * from the snapshot's index to the highest, all of which must be there. WALs that end below the snapshot's index, or
 * none at all, are no gap: the snapshot is the latest state.
 */
import { LitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import { generationsOf, statsOf } from "../layout/stats.ts";
import { formatPosition, formatWalIndex, type WalIndex, walIndex } from "../position.ts";

/** What a replica lists. */
export interface ReplicaListing {
  /** For people: the folder or URL, without secrets. */
  readonly location: string;
  readonly snapshots: readonly SnapshotInfo[];
  readonly wals: readonly WalInfo[];
}

export interface RestoreTarget {
  /** The generation updated last where absent. */
  readonly generation?: Generation;
}

export interface RestorePlan {
  readonly generation: Generation;
  readonly snapshot: SnapshotInfo;
  /** WALs to apply, in order: none, or every index from the snapshot's on. */
  readonly wals: readonly WalIndex[];
  /** True when the last of `wals` is stored only uncompressed: its writer may have ended in the middle of a write. */
  readonly lastWalIsGrowing: boolean;
}

/** What keeps a generation from being restored. */
interface Gap {
  readonly missing: string;
  readonly position: string;
}

/**
 * @throws LitestreamError NO_BACKUP where there is nothing to restore, BACKUP_INCOMPLETE where the replica holds WAL
 * that cannot be restored because something before it is missing.
 */
export function planRestore(listing: ReplicaListing, target: RestoreTarget = {}): RestorePlan {
  const newestFirst = generationsByUpdate(listing);
  const [newest] = newestFirst;
  if (newest === undefined) {
    throw new LitestreamError("NO_BACKUP", `no backup found in ${listing.location}`, {
      path: listing.location,
      hint: "Check the path or URL of the replica, and that replication has run.",
    });
  }
  const generation = target.generation ?? newest;
  if (!newestFirst.includes(generation)) {
    throw new LitestreamError("NO_BACKUP", `no generation ${generation} in ${listing.location}`, {
      path: listing.location,
      hint: `The newest generation there is ${newest}; list all with the generations command.`,
    });
  }
  const plan = planGeneration(listing, generation);
  if (!isGap(plan)) return plan;

  const restorable = newestFirst.find((other) => other !== generation && !isGap(planGeneration(listing, other)));
  throw new LitestreamError(
    "BACKUP_INCOMPLETE",
    `generation ${generation} in ${listing.location} cannot be restored: ${plan.missing}`,
    {
      path: listing.location,
      position: plan.position,
      hint:
        restorable === undefined
          ? "No generation there can be restored in full: bring back what is missing, or use another replica."
          : `Bring back what is missing, use another replica, or take the newest generation that is whole, with the` +
            ` state of ${updatedAtOf(listing, restorable)}: -generation ${restorable}`,
    },
  );
}

function planGeneration(listing: ReplicaListing, generation: Generation): RestorePlan | Gap {
  const wals = listing.wals.filter((info) => info.generation === generation);
  let snapshot: SnapshotInfo | undefined;
  for (const info of listing.snapshots) {
    if (info.generation === generation && info.index >= (snapshot?.index ?? 0)) snapshot = info;
  }
  if (snapshot === undefined) {
    const index = wals.reduce(
      (lowest, info) => (info.index < lowest ? info.index : lowest),
      wals[0]?.index ?? walIndex(0),
    );
    return { missing: "it has WAL, but no snapshot to apply it to", position: at(generation, index) };
  }
  const held = new Set(wals.map(({ index }) => index));
  let highest = -1;
  for (const index of held) highest = Math.max(highest, index);
  const indexes: WalIndex[] = [];
  for (let number = snapshot.index as number; number <= highest; number++) {
    const index = walIndex(number);
    if (!held.has(index)) {
      return {
        missing:
          `WAL ${formatWalIndex(index)} is missing, between snapshot ${formatWalIndex(snapshot.index)}` +
          ` and WAL ${formatWalIndex(walIndex(highest))}`,
        position: at(generation, index),
      };
    }
    indexes.push(index);
  }
  const last = indexes.at(-1);
  const lastWalIsGrowing = last !== undefined && wals.every(({ index, compressed }) => index !== last || !compressed);
  return { generation, snapshot, wals: indexes, lastWalIsGrowing };
}

function isGap(plan: RestorePlan | Gap): plan is Gap {
  return "missing" in plan;
}

/** Newest first. Where two were updated at the same time, the one that was also begun later, then by name. */
function generationsByUpdate({ snapshots, wals }: ReplicaListing): Generation[] {
  return generationsOf(snapshots, wals)
    .map((generation) => ({ generation, stats: statsOf(generation, snapshots, wals) }))
    .toSorted(
      (a, b) =>
        timeMs(b.stats.updatedAt) - timeMs(a.stats.updatedAt) ||
        timeMs(b.stats.createdAt) - timeMs(a.stats.createdAt) ||
        (a.generation < b.generation ? 1 : -1),
    )
    .map(({ generation }) => generation);
}

function updatedAtOf({ snapshots, wals }: ReplicaListing, generation: Generation): string {
  return statsOf(generation, snapshots, wals).updatedAt?.toISOString() ?? "an unknown time";
}

function timeMs(time: Date | undefined): number {
  return time?.getTime() ?? 0;
}

function at(generation: Generation, index: WalIndex): string {
  return formatPosition({ generation, index, offset: 0 });
}
