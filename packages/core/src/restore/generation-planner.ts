/** Plans within one generation: see plan.ts. Pure. */
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { SnapshotEnd, WalPoint, WalPoints } from "../layout/restore-points.ts";
import { parseSegmentKey } from "../layout/segments.ts";
import { formatPosition, formatWalIndex, type WalIndex, walIndex } from "../position.ts";
import { walHeaderSizeBytes } from "../wal/header.ts";
import {
  type Gap,
  type GenerationTarget,
  type NoPoint,
  type Outcome,
  type RecordedEnd,
  type RestorePlan,
  walIdentity,
} from "./restore-plan.ts";
import { createdNs, formatTimestamp, timestampOfMs } from "./timestamp.ts";

interface GenerationContent {
  readonly generation: Generation;
  readonly snapshots: readonly SnapshotInfo[];
  readonly ends: readonly SnapshotEnd[];
  readonly wals: ReadonlyMap<WalIndex, readonly WalInfo[]>;
  readonly points: ReadonlyMap<WalIndex, WalPoints>;
  /** WALs that a side file says were there. */
  readonly claimed: readonly WalIndex[];
  readonly exclude: ReadonlySet<string>;
  readonly cuts: ReadonlyMap<string, number>;
}

/** How much of a WAL belongs to a state: up to `until`, all of it where undefined. */
interface Extent {
  readonly until: number | undefined;
  readonly timeNs: bigint;
}

/** Which snapshots and WALs belong to a state. */
interface Limit {
  readonly snapshotMax: number;
  /** The highest WAL, which need not be there; -1 for none, so that only a snapshot counts. */
  readonly walMax: number;
  readonly until: number | undefined;
}

export class GenerationPlanner {
  readonly #content: GenerationContent;
  readonly #indexes: readonly number[];

  constructor(content: GenerationContent) {
    this.#content = content;
    const ended = content.ends.filter(({ end }) => end.offset > 0).map(({ end }) => end.index);
    const indexes = new Set<number>([...content.wals.keys(), ...content.claimed, ...ended]);
    this.#indexes = [...indexes].toSorted((a, b) => a - b);
  }

  plan(target: GenerationTarget): Outcome {
    const { generation, snapshots, exclude } = this.#content;
    const { timeNs } = target;
    if (target.index !== undefined && target.until !== undefined && target.until <= walHeaderSizeBytes) {
      return this.#beginningOf(walIndex(target.index));
    }
    const limit = this.#limit(target);
    if ("kind" in limit) return limit;
    const { walMax, until } = limit;
    const reached = snapshots.filter(
      (info) =>
        info.index <= limit.snapshotMax &&
        (timeNs === undefined || this.#snapshotNs(info) <= timeNs) &&
        !this.#isInWindow(info, walMax, until),
    );
    const snapshot = highest(reached.filter(({ path }) => !exclude.has(path)));
    if (snapshot === undefined) return this.#withoutSnapshot(target, reached);
    const newest = highest(reached);
    if (newest !== undefined && newest.index > Math.max(walMax, snapshot.index)) return this.#damagedSnapshot(newest);

    const indexes: WalIndex[] = [];
    for (let number: number = snapshot.index; number <= walMax; number++) {
      const index = walIndex(number);
      const why = this.#whyMissing(index, snapshot.index, walMax);
      if (why !== undefined) {
        return {
          kind: "gap",
          missing: `WAL ${formatWalIndex(index)} ${why}`,
          position: at(generation, index),
          before: this.#before(index),
        };
      }
      indexes.push(index);
    }
    return this.#complete(snapshot, indexes, until, timeNs);
  }

  #complete(
    snapshot: SnapshotInfo,
    indexes: readonly WalIndex[],
    until: number | undefined,
    timeNs: bigint | undefined,
  ): RestorePlan {
    const { generation, wals, points, ends } = this.#content;
    const last = indexes.at(-1);
    const lastForms = last === undefined ? [] : (wals.get(last) ?? []);
    const recordedEnds = new Map<WalIndex, RecordedEnd>();
    for (const index of indexes) {
      const recorded = this.#recordedEnd(points.get(index), index === last ? until : undefined);
      if (recorded !== undefined) recordedEnds.set(index, recorded);
    }
    const forms = indexes.flatMap((index) => [...(wals.get(index) ?? [])]);
    const extent = last === undefined ? undefined : this.#extent(last, timeNs);
    const snapshotNs = this.#snapshotNs(snapshot);
    return {
      generation,
      snapshot,
      snapshotEnd: ends.find(({ index }) => index === snapshot.index),
      wals: indexes,
      lastWalIsGrowing:
        lastForms.length > 0 && last === this.#indexes.at(-1) && lastForms.every(({ compressed }) => !compressed),
      lastWalUntil: last === undefined ? undefined : until,
      recordedEnds,
      storedBytes: forms.reduce((sum, { sizeBytes }) => sum + sizeBytes, snapshot.sizeBytes),
      timeNs: extent === undefined || extent.timeNs < snapshotNs ? snapshotNs : extent.timeNs,
      lost: undefined,
    };
  }

  #limit({ index, until, timeNs }: GenerationTarget): Limit | NoPoint {
    const { generation, snapshots, wals } = this.#content;
    const newestSnapshot = highest(snapshots)?.index ?? -1;
    const newestWal = this.#indexes.at(-1) ?? -1;
    const latest: Limit = { snapshotMax: Infinity, walMax: newestWal, until: undefined };
    if (index !== undefined) {
      const newest = Math.max(newestSnapshot, newestWal);
      if (index <= newest) {
        // A snapshot of this index was complete before its WAL had anything.
        const isAlone = index > newestWal && snapshots.some((info) => info.index === index);
        if (until !== undefined && index > newestWal) return { kind: "no-point", why: this.#nothingOf(index) };
        return { snapshotMax: index, walMax: isAlone ? newestWal : index, until };
      }
      if (until !== undefined) return { kind: "no-point", why: this.#nothingOf(index) };
      if ([...wals.values()].some((forms) => forms.some(isSegment))) return latest;
      return { kind: "no-point", why: `generation ${generation} ends with WAL ${formatWalIndex(walIndex(newest))}` };
    }
    if (timeNs === undefined) return latest;
    for (const number of this.#indexes.toReversed()) {
      const extent = this.#extent(walIndex(number), timeNs);
      if (extent !== undefined) return { snapshotMax: Infinity, walMax: number, until: extent.until };
    }
    return { ...latest, walMax: -1 };
  }

  #nothingOf(index: number): string {
    return `generation ${this.#content.generation} has nothing of WAL ${formatWalIndex(walIndex(index))}`;
  }

  /** The state before anything of a WAL: the snapshot of its index, or the end of the WAL before it. */
  #beginningOf(index: WalIndex): Outcome {
    const snapshot = this.#snapshotBefore(index);
    if (snapshot !== undefined) return this.#complete(snapshot, [], undefined, undefined);
    if (index > 0) return this.plan({ index: index - 1 });
    return { kind: "no-point", why: `generation ${this.#content.generation} has no snapshot from before its WAL` };
  }

  /** The snapshot of an index, if it was complete before the WAL of this index had anything. */
  #snapshotBefore(index: WalIndex): SnapshotInfo | undefined {
    const { snapshots, exclude } = this.#content;
    return snapshots.find(
      (info) => info.index === index && !exclude.has(info.path) && !this.#isInWindow(info, index, 0),
    );
  }

  /** What was there of a WAL at a time; undefined where nothing was. */
  #extent(index: WalIndex, timeNs: bigint | undefined): Extent | undefined {
    const forms = this.#content.wals.get(index) ?? [];
    const points = this.#content.points.get(index);
    const newestPoint = points?.points.at(-1);
    if (timeNs === undefined) {
      const times = forms.map(createdNs);
      if (newestPoint !== undefined) times.push(timestampOfMs(newestPoint.timeMs));
      return times.length === 0 ? undefined : { until: undefined, timeNs: maxOf(times) };
    }
    const extents: Extent[] = [];
    const point = points?.points.findLast(({ timeMs }) => timestampOfMs(timeMs) <= timeNs);
    if (point !== undefined) extents.push({ until: point.offset, timeNs: timestampOfMs(point.timeMs) });
    for (const { end, timeMs } of this.#content.ends) {
      const endNs = timestampOfMs(timeMs);
      if (end.index === index && end.offset > 0 && endNs <= timeNs) extents.push({ until: end.offset, timeNs: endNs });
    }
    for (const form of forms.filter((info) => !isSegment(info))) {
      if (createdNs(form) > timeNs || isCoveredBy(form, points)) continue;
      extents.push({ until: undefined, timeNs: createdNs(form) });
    }
    const segments = segmentExtent(forms.filter(isSegment), timeNs);
    if (segments !== undefined) extents.push(segments);
    return extents.reduce<Extent | undefined>(
      (best, extent) => (best === undefined || (extent.until ?? Infinity) > (best.until ?? Infinity) ? extent : best),
      undefined,
    );
  }

  #recordedEnd(points: WalPoints | undefined, until: number | undefined): RecordedEnd | undefined {
    if (points === undefined) return undefined;
    const { salts, sealed } = points;
    const at = (point: WalPoint | undefined, isSealed: boolean): RecordedEnd | undefined =>
      point === undefined ? undefined : { salts, offset: point.offset, checksum: point.checksum, isSealed };
    if (until === undefined) return at(sealed ?? points.points.at(-1), sealed !== undefined);
    return at(
      points.points.findLast(({ offset }) => offset <= until),
      false,
    );
  }

  /**
   * True where a state that ends in WAL `index`, or before it has anything, lies inside the time in which the snapshot
   * was copied.
   */
  #isInWindow(snapshot: SnapshotInfo, index: number, until: number | undefined): boolean {
    const end = this.#content.ends.find((info) => info.index === snapshot.index)?.end;
    if (end === undefined) return false;
    if (end.offset === 0) return end.index > snapshot.index && index < end.index - 1;
    if (index !== end.index) return index < end.index;
    return until !== undefined && until < end.offset;
  }

  #snapshotNs(snapshot: SnapshotInfo): bigint {
    const end = this.#content.ends.find((info) => info.index === snapshot.index);
    return end === undefined ? createdNs(snapshot) : timestampOfMs(end.timeMs);
  }

  #whyMissing(index: WalIndex, first: WalIndex, last: number): string | undefined {
    const { wals, exclude } = this.#content;
    const forms = wals.get(index) ?? [];
    if (forms.some(({ path }) => exclude.has(path))) return "is damaged";
    if (forms.length > 0) return undefined;
    if (index === last) return "is missing: what is left tells of it";
    return `is missing, between snapshot ${formatWalIndex(first)} and WAL ${formatWalIndex(walIndex(last))}`;
  }

  /** The newest state before a WAL that cannot be used, or within it where a part of it is known to be good. */
  #before(index: WalIndex): RestorePlan | undefined {
    const cut = this.#content.cuts.get(walIdentity(this.#content.generation, index));
    if (cut !== undefined) {
      const exclude = new Set(this.#content.exclude);
      for (const { path } of this.#content.wals.get(index) ?? []) exclude.delete(path);
      const outcome = new GenerationPlanner({ ...this.#content, exclude }).plan({ index, until: cut });
      if (!("kind" in outcome)) return outcome;
    }
    const alone = this.#snapshotBefore(index);
    if (alone !== undefined) return this.#complete(alone, [], undefined, undefined);
    if (index === 0) return undefined;
    const outcome = this.plan({ index: index - 1 });
    if ("kind" in outcome) return outcome.kind === "gap" ? outcome.before : undefined;
    return outcome;
  }

  #withoutSnapshot(target: GenerationTarget, reached: readonly SnapshotInfo[]): Gap | NoPoint {
    const { generation, snapshots } = this.#content;
    const damaged = highest(reached);
    if (damaged !== undefined) return this.#damagedSnapshot(damaged);
    const first = snapshots.toSorted((a, b) => a.index - b.index)[0];
    if ((target.timeNs !== undefined || target.index !== undefined) && first !== undefined) {
      return {
        kind: "no-point",
        why:
          `the first snapshot of generation ${generation}, ${formatWalIndex(first.index)},` +
          ` was complete at ${formatTimestamp(this.#snapshotNs(first))}`,
      };
    }
    return {
      kind: "gap",
      missing:
        first === undefined
          ? "it has WAL, but no snapshot to apply it to"
          : "its WAL ends before the state that makes its snapshot exact",
      position: at(generation, walIndex(this.#indexes[0] ?? 0)),
      before: undefined,
    };
  }

  #damagedSnapshot({ generation, index }: SnapshotInfo): Gap {
    return {
      kind: "gap",
      missing: `snapshot ${formatWalIndex(index)} is damaged, and no other one has all WAL from it on`,
      position: at(generation, index),
      before: this.#before(index),
    };
  }
}

/** Segments in a row that were all there at a time. */
function segmentExtent(segments: readonly WalInfo[], timeNs: bigint): Extent | undefined {
  let newestNs: bigint | undefined;
  for (const segment of segments.toSorted((a, b) => a.offset - b.offset)) {
    const createdAtNs = createdNs(segment);
    if (createdAtNs > timeNs) return newestNs === undefined ? undefined : { until: segment.offset, timeNs: newestNs };
    newestNs = newestNs === undefined || createdAtNs > newestNs ? createdAtNs : newestNs;
  }
  return newestNs === undefined ? undefined : { until: undefined, timeNs: newestNs };
}

/** True where everything in a whole WAL has its time in the side file; else the object's own time has to do. */
function isCoveredBy(form: WalInfo, points: WalPoints | undefined): boolean {
  const newest = points?.points.at(-1);
  if (points === undefined || newest === undefined) return false;
  // Written before what the side file knows of: its time says nothing of what came after.
  if (createdNs(form) < timestampOfMs(newest.timeMs)) return true;
  return form.compressed ? points.sealed !== undefined : form.sizeBytes <= newest.offset;
}

function isSegment({ path }: WalInfo): boolean {
  return parseSegmentKey(path) !== undefined;
}

function highest(snapshots: readonly SnapshotInfo[]): SnapshotInfo | undefined {
  return snapshots.reduce<SnapshotInfo | undefined>(
    (best, info) => (best === undefined || info.index >= best.index ? info : best),
    undefined,
  );
}

function maxOf(times: readonly bigint[]): bigint {
  return times.reduce((max, time) => (time > max ? time : max), times[0] ?? 0n);
}

function at(generation: Generation, index: WalIndex): string {
  return formatPosition({ generation, index, offset: 0 });
}
