/** Which time each generation of a replica spans. Pure. */
import type { Generation } from "../generation.ts";
import { generationsOf, statsOf } from "../layout/stats.ts";
import type { ReplicaListing } from "./restore-plan.ts";
import { createdNs, timestampOfMs } from "./timestamp.ts";

export interface GenerationSpan {
  readonly name: Generation;
  readonly span: { readonly firstNs: bigint; readonly lastNs: bigint };
  /** When its first snapshot was complete. */
  readonly restorableFromNs: bigint;
}

/** The generation that was updated last; undefined where there is none. */
export function newestGeneration(listing: ReplicaListing): Generation | undefined {
  return generationSpans(listing)[0]?.name;
}

/** When anything of the generations was last written: nanoseconds since 1970. */
export function newestUpdateNs(listing: ReplicaListing): bigint {
  return generationSpans(listing)[0]?.span.lastNs ?? 0n;
}

/** Newest first. Where two were updated at the same time, the one that was also begun later, then by name. */
export function generationSpans(listing: ReplicaListing): GenerationSpan[] {
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
