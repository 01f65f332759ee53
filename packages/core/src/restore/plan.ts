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
import { claimsWal } from "../layout/restore-points.ts";
import { formatPosition, formatWalIndex, walIndex } from "../position.ts";
import { GenerationPlanner } from "./generation-planner.ts";
import { type GenerationSpan, generationSpans } from "./generation-spans.ts";
import {
  describeState,
  type Gap,
  type GenerationTarget,
  type NoPoint,
  type Outcome,
  type PlanOptions,
  type ReplicaListing,
  type RestorePlan,
  type RestoreTarget,
} from "./restore-plan.ts";
import { formatTimestamp } from "./timestamp.ts";

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
      claimed: sides
        .filter((info) => claimsWal(info) || (points.get(info.index)?.points.length ?? 0) > 0)
        .map(({ index }) => index),
      exclude: this.#options.exclude ?? new Set(),
      cuts: this.#options.cuts ?? new Map(),
    }).plan(target);
  }
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
