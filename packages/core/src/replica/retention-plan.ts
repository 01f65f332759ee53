/**
 * What a replica no longer needs. Pure: a listing, the clock and the settings in, deletions with their reasons out.
 *
 * Of each generation the earliest snapshot within the retention stays, and everything from its index on; what lies
 * before goes, and generations without such a snapshot go. Whatever the clock says, these stay:
 *
 * - the newest snapshot, and all from it on, of the generation that is written to, and of the one that a restore of the
 *   latest state takes: the last restorable state
 * - what was needed until lately: nothing goes in favour of a snapshot that is younger than the grace period
 * - what a reader's lease names
 *
 * A clock that was set back makes snapshots younger, so that more stays; one that was set forward makes them older,
 * and then the new snapshot that is due comes first.
 */
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { SnapshotEnd } from "../layout/restore-points.ts";
import { generationsOf } from "../layout/stats.ts";
import { comparePositions, type Position, type WalIndex } from "../position.ts";
import type { SideFileInfo } from "../replica-reader.ts";

/** An LZ4 frame of nothing: whatever is shorter is no snapshot, and replaces none. */
const frameSizeBytesMin = 15;

export interface RetentionListing {
  readonly snapshots: readonly SnapshotInfo[];
  readonly wals: readonly WalInfo[];
  readonly sideFiles: readonly SideFileInfo[];
  /** What is known of when, and where, the copying of snapshots ended. */
  readonly snapshotEnds: readonly SnapshotEnd[];
  /** Of each generation that somebody reads: the lowest index from which it is read. */
  readonly held: ReadonlyMap<Generation, WalIndex>;
}

export interface RetentionSettings {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly retentionMs: number;
  /** For readers that take no lease: what was needed so lately stays. */
  readonly graceMs: number;
  /** What is written to, and where it stands; undefined where nothing is. */
  readonly live: Position | undefined;
}

/** Why something stays, or goes. */
export type RetentionReason =
  | "before the earliest snapshot within the retention"
  | "its generation has no snapshot within the retention";

export interface Deletion {
  readonly kind: "snapshot" | "wal" | "side-file";
  readonly generation: Generation;
  readonly index: WalIndex;
  /** Below the replica's root. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly reason: RetentionReason;
}

/** Deletions of one generation; a crash between any two groups leaves each state that is still listed whole. */
export interface GenerationDeletions {
  readonly generation: Generation;
  /** Nothing of it stays. */
  readonly isWhole: boolean;
  /** To be deleted one after the other; within a group in any order. */
  readonly groups: readonly (readonly Deletion[])[];
}

export interface RetentionPlan {
  /**
   * The generation that is written to has WAL, but no snapshot within the retention: take one, and plan again. What
   * stays is whole without it, too.
   */
  readonly isSnapshotDue: boolean;
  readonly generations: readonly GenerationDeletions[];
}

/** From where a generation stays: nothing of it where undefined. */
interface Kept {
  readonly from: number | undefined;
  readonly reason: RetentionReason;
}

interface KnownSnapshot {
  readonly index: WalIndex;
  /** When it was complete, as far as is known: milliseconds since 1970. */
  readonly timeMs: number;
  readonly end: Position | undefined;
}

export function planRetention(listing: RetentionListing, settings: RetentionSettings): RetentionPlan {
  const view = new RetentionView(listing, settings);
  return {
    isSnapshotDue: view.isSnapshotDue(),
    generations: view.generations.flatMap((generation) => view.deletions(generation) ?? []),
  };
}

class RetentionView {
  readonly generations: readonly Generation[];
  readonly #listing: RetentionListing;
  readonly #settings: RetentionSettings;
  readonly #cutoffMs: number;
  readonly #settledMs: number;
  /** The generation that a restore of the latest state takes. */
  readonly #latest: Generation | undefined;

  constructor(listing: RetentionListing, settings: RetentionSettings) {
    this.#listing = listing;
    this.#settings = settings;
    this.#cutoffMs = settings.nowMs - settings.retentionMs;
    this.#settledMs = settings.nowMs - settings.graceMs;
    this.generations = generationsOf(listing.snapshots, listing.wals);
    const updatedMs = new Map(this.generations.map((name) => [name, this.#updatedMs(name)]));
    this.#latest = this.generations.reduce<Generation | undefined>(
      (best, name) => (best === undefined || (updatedMs.get(name) ?? 0) >= (updatedMs.get(best) ?? 0) ? name : best),
      undefined,
    );
  }

  isSnapshotDue(): boolean {
    const { live } = this.#settings;
    if (live === undefined) return false;
    const snapshots = this.#snapshots(live.generation);
    const newest = snapshots.at(-1);
    if (newest === undefined || snapshots.some(({ timeMs }) => timeMs >= this.#cutoffMs)) return false;
    // Where nothing came after it, another one would be the same.
    return newest.end === undefined || comparePositions(newest.end, live) < 0;
  }

  deletions(generation: Generation): GenerationDeletions | undefined {
    const { from = Infinity, reason } = this.#kept(generation);
    const { snapshots, wals, sideFiles } = this.#listing;
    const goes = (info: { readonly generation: Generation; readonly index: WalIndex }): boolean =>
      info.generation === generation && info.index < from;
    const oldSnapshots = snapshots.filter(goes).toSorted((a, b) => a.index - b.index);
    const oldWals = wals.filter(goes);
    const oldSides = sideFiles.filter(goes);
    if (oldSnapshots.length + oldWals.length + oldSides.length === 0) return undefined;
    const deletion =
      (kind: Deletion["kind"]) =>
      ({ index, path, sizeBytes }: SnapshotInfo | WalInfo | SideFileInfo): Deletion => ({
        kind,
        generation,
        index,
        path,
        sizeBytes,
        reason,
      });
    // A snapshot goes before the WAL that its states need, the oldest first: what is left of the others is whole.
    // The highest WAL goes last: Litestream 0.3 panics where it is two or more below the newest snapshot.
    const highest = oldWals.reduce((max, { index }) => Math.max(max, index), -1);
    const groups = [
      ...oldSnapshots.map((info) => [deletion("snapshot")(info)]),
      oldSides.map(deletion("side-file")),
      oldWals.filter(({ index }) => index < highest).map(deletion("wal")),
      oldWals.filter(({ index }) => index === highest).map(deletion("wal")),
    ];
    return { generation, isWhole: from === Infinity, groups: groups.filter((group) => group.length > 0) };
  }

  #kept(generation: Generation): Kept {
    const { live } = this.#settings;
    const snapshots = this.#snapshots(generation);
    const retained = snapshots.find(({ timeMs }) => timeMs >= this.#cutoffMs)?.index;
    const isLast = generation === live?.generation || generation === this.#latest;
    const newest = snapshots.at(-1)?.index;
    const reason =
      retained === undefined && !isLast
        ? "its generation has no snapshot within the retention"
        : "before the earliest snapshot within the retention";
    if (newest === undefined) {
      // WAL without a snapshot: one may be on its way.
      const isNews = isLast || this.#updatedMs(generation) >= this.#cutoffMs;
      return { from: isNews ? 0 : this.#listing.held.get(generation), reason };
    }
    const bounds = [retained, this.#listing.held.get(generation), this.#neededLately(snapshots, isLast)];
    if (isLast) bounds.push(newest);
    const kept = bounds.filter((bound) => bound !== undefined);
    return { from: kept.length === 0 ? undefined : Math.min(...kept), reason };
  }

  /** What a restore of the latest state that began a grace period ago, or later, may still be reading. */
  #neededLately(snapshots: readonly KnownSnapshot[], isLast: boolean): WalIndex | undefined {
    const settled = snapshots.findLast(({ timeMs }) => timeMs <= this.#settledMs)?.index ?? snapshots[0]?.index;
    if (isLast) return settled;
    const successors = [this.#settings.live?.generation, this.#latest].filter((name) => name !== undefined);
    const isSucceeded = successors.some((name) =>
      this.#snapshots(name).some(({ timeMs }) => timeMs <= this.#settledMs),
    );
    return isSucceeded ? undefined : settled;
  }

  /** Of a generation, by index; those that can be none are left out. */
  #snapshots(generation: Generation): KnownSnapshot[] {
    const ends = new Map(
      this.#listing.snapshotEnds.filter((end) => end.generation === generation).map((end) => [end.index, end]),
    );
    return this.#listing.snapshots
      .filter((info) => info.generation === generation && info.sizeBytes >= frameSizeBytesMin)
      .map(({ index, createdAt }) => {
        const end = ends.get(index);
        return { index, timeMs: Math.max(createdAt.getTime(), end?.timeMs ?? 0), end: end?.end };
      })
      .toSorted((a, b) => a.index - b.index);
  }

  #updatedMs(generation: Generation): number {
    const { snapshots, wals } = this.#listing;
    const times = [...snapshots, ...wals]
      .filter((info) => info.generation === generation)
      .map(({ createdAt }) => createdAt.getTime());
    return times.reduce((max, timeMs) => Math.max(max, timeMs), 0);
  }
}
