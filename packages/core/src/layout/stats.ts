import type { Generation } from "../generation.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "./objects.ts";

/** The stats of one generation, from listings that may hold others too. */
export function statsOf(
  generation: Generation,
  snapshots: readonly SnapshotInfo[],
  wals: readonly WalInfo[],
): GenerationStats {
  const snapshotTimes = snapshots.filter((info) => info.generation === generation).map(createdMs);
  const walTimes = wals.filter((info) => info.generation === generation).map(createdMs);
  let createdAtMs = Infinity;
  let updatedAtMs = -Infinity;
  for (const timeMs of [...snapshotTimes, ...walTimes]) {
    createdAtMs = Math.min(createdAtMs, timeMs);
    updatedAtMs = Math.max(updatedAtMs, timeMs);
  }
  const isEmpty = createdAtMs === Infinity;
  return {
    snapshotCount: snapshotTimes.length,
    walCount: walTimes.length,
    createdAt: isEmpty ? undefined : new Date(createdAtMs),
    updatedAt: isEmpty ? undefined : new Date(updatedAtMs),
  };
}

/** The generations that own any object, in the order of their names. */
export function generationsOf(snapshots: readonly SnapshotInfo[], wals: readonly WalInfo[]): Generation[] {
  return [...new Set([...snapshots, ...wals].map(({ generation }) => generation))].toSorted();
}

function createdMs(info: { readonly createdAt: Date }): number {
  return info.createdAt.getTime();
}
