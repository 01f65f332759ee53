import type { Generation } from "../generation.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "./objects.ts";

/** The stats of one generation, from listings that may hold others too. */
export function statsOf(
  generation: Generation,
  snapshots: readonly SnapshotInfo[],
  wals: readonly WalInfo[],
): GenerationStats {
  const ownSnapshots = snapshots.filter((info) => info.generation === generation);
  const ownWals = wals.filter((info) => info.generation === generation);
  let createdAtMs = Infinity;
  let updatedAtMs = -Infinity;
  for (const timeMs of [...ownSnapshots, ...ownWals].map(createdMs)) {
    createdAtMs = Math.min(createdAtMs, timeMs);
    updatedAtMs = Math.max(updatedAtMs, timeMs);
  }
  const isEmpty = createdAtMs === Infinity;
  return {
    snapshotCount: ownSnapshots.length,
    walCount: ownWals.length,
    snapshotSizeBytes: sumOf(ownSnapshots),
    walSizeBytes: sumOf(ownWals),
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

function sumOf(infos: readonly { readonly sizeBytes: number }[]): number {
  return infos.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
