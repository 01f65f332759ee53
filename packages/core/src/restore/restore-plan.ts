/** What a restore is planned from, and what a plan says. */
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { SideFileName, SnapshotEnd, WalPoints } from "../layout/restore-points.ts";
import { formatWalIndex, type WalIndex } from "../position.ts";
import type { Salts } from "../wal/header.ts";
import { formatTimestamp } from "./timestamp.ts";

/** What a replica lists. */
export interface ReplicaListing {
  /** For people: the folder or URL, without secrets. */
  readonly location: string;
  readonly snapshots: readonly SnapshotInfo[];
  readonly wals: readonly WalInfo[];
  /** Names of our side files. */
  readonly sideFiles?: readonly (SideFileName & { readonly sizeBytes?: number })[];
  /** Their content, as far as it was read; only the last point of a WAL where no other matters. */
  readonly walPoints?: readonly WalPoints[];
  readonly snapshotEnds?: readonly SnapshotEnd[];
}

/** The state to restore; the latest where no field is given. */
export interface RestoreTarget {
  /** The generation updated last where absent; with a time, the one updated last of those that span it. */
  readonly generation?: Generation;
  /** Up to the end of this WAL. */
  readonly index?: WalIndex;
  /** With `index`: up to the commit that ends at this byte of it; in its header, what was before that WAL. */
  readonly until?: number;
  /** Nanoseconds since 1970. */
  readonly timeNs?: bigint;
}

export interface PlanOptions {
  /** Takes the newest state that can be restored where the target cannot, and says in `lost` what that leaves out. */
  readonly force?: boolean;
  /** Paths of objects that were found damaged. */
  readonly exclude?: ReadonlySet<string>;
  /** The good bytes of WALs that were found damaged, by `walIdentity`: as far as a forced plan may go. */
  readonly cuts?: ReadonlyMap<string, number>;
  /** How to force: completes "take … with: ". `-force` where absent. */
  readonly forceHint?: string;
}

/** Where a WAL must end, or at least reach, by our side file. */
export interface RecordedEnd {
  readonly salts: Salts;
  readonly offset: number;
  readonly checksum: { readonly s1: number; readonly s2: number };
  /** Another WAL followed: it ends there. Else it may go on. */
  readonly isSealed: boolean;
}

export interface RestorePlan {
  readonly generation: Generation;
  readonly snapshot: SnapshotInfo;
  /** Known of snapshots by us. */
  readonly snapshotEnd: SnapshotEnd | undefined;
  /** WALs to apply, in order: none, or every index from the snapshot's on. */
  readonly wals: readonly WalIndex[];
  /**
   * True when the last of `wals` is the replica's newest, and stored only uncompressed: its writer may have ended in
   * the middle of a write.
   */
  readonly lastWalIsGrowing: boolean;
  /** The last of `wals` is applied up to its last commit at or before this offset; all of it where undefined. */
  readonly lastWalUntil: number | undefined;
  readonly recordedEnds: ReadonlyMap<WalIndex, RecordedEnd>;
  /** Bytes to read, as stored. */
  readonly storedBytes: number;
  /** When the newest of its objects was written: nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** In a forced plan: what it leaves out of what was asked for. */
  readonly lost: string | undefined;
}

/** What keeps a state from being restored. */
export interface Gap {
  readonly kind: "gap";
  readonly missing: string;
  readonly position: string;
  /** The newest state of the generation before the gap. */
  readonly before: RestorePlan | undefined;
}

/** The generation has no such state. */
export interface NoPoint {
  readonly kind: "no-point";
  readonly why: string;
}

export type Outcome = RestorePlan | Gap | NoPoint;

/** The target within one generation. `until` cuts the WAL of `index`. */
export interface GenerationTarget {
  readonly index?: number | undefined;
  readonly until?: number | undefined;
  readonly timeNs?: bigint | undefined;
}

/** How `PlanOptions.cuts` names a WAL. */
export function walIdentity(generation: Generation, index: WalIndex): string {
  return `${generation}/${formatWalIndex(index)}`;
}

/** For people: a position, and the time of what is there. */
export function describeState(plan: RestorePlan): string {
  const { generation, snapshot, wals, lastWalUntil, timeNs } = plan;
  const index = formatWalIndex(wals.at(-1) ?? snapshot.index);
  const what =
    wals.length === 0
      ? `snapshot ${generation}/${index}`
      : `generation ${generation} up to WAL ${index}${lastWalUntil === undefined ? "" : `, byte ${lastWalUntil},`}`;
  return `${what} of ${formatTimestamp(timeNs)}`;
}
