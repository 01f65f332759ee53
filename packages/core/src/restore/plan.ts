/**
 * Which objects of a replica make up a state of it. Pure: listings in, a plan or the reason against one out.
 *
 * - **Latest**: the generation updated last, as in Litestream 0.3; its snapshot of the highest index (0.3.4 takes the
 *   newest by file time, which is the same unless files were copied without their times); the WALs from that index to
 *   the highest, all of which must be there. WALs that end below the snapshot's index, or none at all, are no gap: the
 *   snapshot is the latest state.
 * - **Index N**: up to the end of WAL N. Where there is no N yet, as the release does that writes the layout: whole
 *   WALs (0.3.4) have no such state, segments (0.3.5 to 0.3.13) give the latest.
 * - **Time**: the last state that was in the replica at that time, inclusive: by our side files, or by the times of the
 *   objects. Only within the time that a generation spans; nothing tells what became of the database outside.
 *
 * A snapshot counts from the time on at which it was complete: so there is no state inside the time it was copied,
 * other than from an older snapshot.
 */
import { LitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { SideFileName, SnapshotEnd, WalPoint, WalPoints } from "../layout/restore-points.ts";
import { parseSegmentKey } from "../layout/segments.ts";
import { generationsOf, statsOf } from "../layout/stats.ts";
import { formatPosition, formatWalIndex, type WalIndex, walIndex } from "../position.ts";
import { type Salts, walHeaderSizeBytes } from "../wal/header.ts";
import { createdNs, formatTimestamp, timestampOfMs } from "./timestamp.ts";

/** What a replica lists. */
export interface ReplicaListing {
  /** For people: the folder or URL, without secrets. */
  readonly location: string;
  readonly snapshots: readonly SnapshotInfo[];
  readonly wals: readonly WalInfo[];
  /** Names of our side files. */
  readonly sideFiles?: readonly SideFileName[];
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
interface Gap {
  readonly kind: "gap";
  readonly missing: string;
  readonly position: string;
  /** The newest state of the generation before the gap. */
  readonly before: RestorePlan | undefined;
}

/** The generation has no such state. */
interface NoPoint {
  readonly kind: "no-point";
  readonly why: string;
}

type Outcome = RestorePlan | Gap | NoPoint;

/** The target within one generation. `until` cuts the WAL of `index`. */
interface GenerationTarget {
  readonly index?: number | undefined;
  readonly until?: number | undefined;
  readonly timeNs?: bigint | undefined;
}

/**
 * @throws LitestreamError NO_BACKUP where there is nothing to restore, NO_SUCH_POINT where the target lies outside of
 * what the replica spans, BACKUP_INCOMPLETE where the replica holds, up to the target, what cannot be restored because
 * something is missing or was excluded.
 */
export function choosePlan(
  listing: ReplicaListing,
  target: RestoreTarget = {},
  options: PlanOptions = {},
): RestorePlan {
  const view = new ListingView(listing, options);
  const newestFirst = view.generations;
  const [newest] = newestFirst;
  if (newest === undefined) {
    throw new LitestreamError("NO_BACKUP", `no backup found in ${listing.location}`, {
      path: listing.location,
      hint: "Check the path or URL of the replica, and that replication has run.",
    });
  }
  const named = newestFirst.find(({ name }) => name === target.generation);
  if (target.generation !== undefined && named === undefined) {
    throw new LitestreamError("NO_BACKUP", `no generation ${target.generation} in ${listing.location}`, {
      path: listing.location,
      hint: `The newest generation there is ${newest.name}; list all with the generations command.`,
    });
  }
  const { timeNs } = target;
  const spanning = (named === undefined ? newestFirst : [named]).filter(
    ({ span }) => timeNs === undefined || (timeNs >= span.firstNs && timeNs <= span.lastNs),
  );
  const candidates = timeNs === undefined ? spanning.slice(0, 1) : spanning;
  let noPoint: NoPoint | undefined;
  for (const { name } of candidates) {
    const outcome = view.plan(name, target);
    if (!("kind" in outcome)) return outcome;
    if (outcome.kind === "gap") return view.around(outcome, name, target);
    noPoint ??= outcome;
  }
  throw noSuchPoint(view, target, noPoint);
}

/** The generation that was updated last; undefined where there is none. */
export function newestGeneration(listing: ReplicaListing): Generation | undefined {
  return generationSpans(listing)[0]?.name;
}

/** When anything of the generations was last written: nanoseconds since 1970. */
export function newestUpdateNs(listing: ReplicaListing): bigint {
  return generationSpans(listing)[0]?.span.lastNs ?? 0n;
}

/** How `PlanOptions.cuts` names a WAL. */
export function walIdentity(generation: Generation, index: WalIndex): string {
  return `${generation}/${formatWalIndex(index)}`;
}

interface GenerationSpan {
  readonly name: Generation;
  readonly span: { readonly firstNs: bigint; readonly lastNs: bigint };
  /** When its first snapshot was complete. */
  readonly restorableFromNs: bigint;
}

class ListingView {
  readonly #listing: ReplicaListing;
  readonly #options: PlanOptions;
  /** Newest first. Where two were updated at the same time, the one that was also begun later, then by name. */
  readonly generations: readonly GenerationSpan[];

  constructor(listing: ReplicaListing, options: PlanOptions) {
    this.#listing = listing;
    this.#options = options;
    this.generations = generationSpans(listing);
  }

  get location(): string {
    return this.#listing.location;
  }

  /** The plan despite a gap, where that is forced. @throws LitestreamError BACKUP_INCOMPLETE */
  around(gap: Gap, generation: Generation, target: RestoreTarget): RestorePlan {
    const restorable = this.#newestRestorable(gap, generation, target);
    const message = `generation ${generation} in ${this.location} cannot be restored: ${gap.missing}`;
    if (this.#options.force === true && restorable !== undefined) {
      const from =
        restorable.generation === generation
          ? `what came after ${describeState(restorable)}`
          : `all of generation ${generation}, for ${describeState(restorable)}`;
      return { ...restorable, lost: `${from}: ${gap.missing}` };
    }
    throw new LitestreamError("BACKUP_INCOMPLETE", message, {
      path: this.location,
      position: gap.position,
      hint:
        restorable === undefined
          ? "No generation there can be restored in full: bring back what is missing, or use another replica."
          : "Bring back what is missing, use another replica, or take the newest state that can be restored," +
            ` ${describeState(restorable)}, with: ${this.#options.forceHint ?? "-force"}`,
    });
  }

  #newestRestorable(gap: Gap, generation: Generation, target: RestoreTarget): RestorePlan | undefined {
    const plans: RestorePlan[] = gap.before === undefined ? [] : [gap.before];
    // Another generation is no answer to who asked for this one, unless there is nothing at all in it.
    if (target.generation === undefined || gap.before === undefined) {
      for (const { name } of this.generations) {
        if (name === generation) continue;
        const outcome = this.plan(name, target.timeNs === undefined ? {} : { timeNs: target.timeNs });
        const plan = "kind" in outcome ? (outcome.kind === "gap" ? outcome.before : undefined) : outcome;
        if (plan !== undefined) plans.push(plan);
      }
    }
    return plans.reduce<RestorePlan | undefined>(
      (best, plan) => (best === undefined || plan.timeNs > best.timeNs ? plan : best),
      undefined,
    );
  }

  plan(generation: Generation, target: GenerationTarget): Outcome {
    const wals = Map.groupBy(
      this.#listing.wals.filter((info) => info.generation === generation),
      ({ index }) => index,
    );
    const points = new Map(
      (this.#listing.walPoints ?? [])
        .filter((info) => info.generation === generation)
        .map((info) => [info.index, info]),
    );
    const sides = (this.#listing.sideFiles ?? []).filter(
      (info) => info.generation === generation && info.kind === "wal",
    );
    return new GenerationPlanner({
      generation,
      snapshots: this.#listing.snapshots.filter((info) => info.generation === generation),
      ends: (this.#listing.snapshotEnds ?? []).filter((info) => info.generation === generation),
      wals,
      points,
      // A side file without a record was just made, or is no proof of anything.
      claimed: sides.map(({ index }) => index).filter((index) => (points.get(index)?.points.length ?? 0) > 0),
      exclude: this.#options.exclude ?? new Set(),
      cuts: this.#options.cuts ?? new Map(),
    }).plan(target);
  }
}

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

class GenerationPlanner {
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

function noSuchPoint(view: ListingView, target: RestoreTarget, noPoint: NoPoint | undefined): LitestreamError {
  const { timeNs, generation } = target;
  const spans = view.generations
    .filter(({ name }) => generation === undefined || name === generation)
    .filter(({ restorableFromNs }) => restorableFromNs > 0n);
  const what = timeNs !== undefined ? formatTimestamp(timeNs) : describeEnd(target);
  const nearest = [
    ...spans.filter(({ span }) => timeNs === undefined || span.lastNs < timeNs).slice(0, 1),
    ...spans.filter(({ span }) => timeNs !== undefined && span.lastNs >= timeNs).slice(-1),
  ].toReversed();
  const ranges = nearest.map(
    ({ name, span, restorableFromNs }) =>
      `${formatTimestamp(restorableFromNs)} to ${formatTimestamp(span.lastNs)} (generation ${name})`,
  );
  return new LitestreamError(
    "NO_SUCH_POINT",
    `${view.location} holds no state of ${what}${noPoint === undefined ? "" : `: ${noPoint.why}`}`,
    {
      path: view.location,
      hint:
        noPoint === undefined || timeNs !== undefined
          ? ranges.length === 0
            ? "No state can be restored from there: it has no snapshot."
            : `States can be restored from ${ranges.join(", and from ")};` +
              " the last one of a generation with -generation."
          : target.until === undefined
            ? "Leave the index out for the latest state."
            : "Wait until the replica has come that far, or leave the position out for the latest state.",
    },
  );
}

function describeEnd({ generation, index = walIndex(0), until }: RestoreTarget): string {
  if (generation === undefined || until === undefined) return `the end of WAL ${formatWalIndex(index)}`;
  return formatPosition({ generation, index, offset: until });
}

function generationSpans(listing: ReplicaListing): GenerationSpan[] {
  const { snapshots, wals, walPoints = [], snapshotEnds = [] } = listing;
  const claimed = walPoints.filter(({ points }) => points.length > 0).map(({ generation }) => generation);
  const names = new Set([...generationsOf(snapshots, wals), ...claimed]);
  return [...names]
    .map((name) => {
      const of = <T extends { readonly generation: Generation }>(infos: readonly T[]): T[] =>
        infos.filter((info) => info.generation === name);
      const points = of(walPoints).flatMap((info) => info.points.map(({ timeMs }) => timestampOfMs(timeMs)));
      const ends = of(snapshotEnds).map(({ timeMs }) => timestampOfMs(timeMs));
      const objects = [...of(snapshots), ...of(wals)].map(createdNs);
      const stats = statsOf(name, snapshots, wals);
      const endOf = new Map(of(snapshotEnds).map(({ index, timeMs }) => [index, timestampOfMs(timeMs)]));
      const complete = of(snapshots).map((info) => endOf.get(info.index) ?? createdNs(info));
      return {
        name,
        span: { firstNs: minOf([...objects, ...ends, ...points]), lastNs: maxOf([...objects, ...ends, ...points]) },
        restorableFromNs: minOf(complete),
        createdMs: stats.createdAt?.getTime() ?? 0,
      };
    })
    .toSorted((a, b) => {
      const byUpdate = compare(b.span.lastNs, a.span.lastNs);
      return byUpdate || b.createdMs - a.createdMs || (a.name < b.name ? 1 : -1);
    });
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

function minOf(times: readonly bigint[]): bigint {
  return times.reduce((min, time) => (time < min ? time : min), times[0] ?? 0n);
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function at(generation: Generation, index: WalIndex): string {
  return formatPosition({ generation, index, offset: 0 });
}
