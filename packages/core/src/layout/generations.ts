/**
 * Names that both layouts of Litestream 0.3 share:
 *
 *     generations/<generation>/snapshots/<index>.snapshot.lz4
 *     generations/<generation>/wal/…                             see whole.ts and segments.ts
 *
 * Generation: 16 hexadecimal digits; index: 8. An uncompressed `.snapshot` is never written, but read.
 */
import { type Generation, isGeneration } from "../generation.ts";
import { formatWalIndex, type WalIndex, walIndex, walIndexMax } from "../position.ts";

/** The folder of all generations. */
export const generationsKey = "generations";

/** The folder of one generation. */
export function generationKey(generation: Generation): string {
  return `${generationsKey}/${generation}`;
}

/**
 * Where a generation is built until it can be restored: then one rename makes it appear whole. Litestream takes no such
 * name for a generation.
 */
export function pendingGenerationKey(generation: Generation): string {
  return `${generationKey(generation)}.tmp`;
}

/** The folder of its snapshots. */
export function snapshotsKey(generation: Generation): string {
  return `${generationKey(generation)}/snapshots`;
}

/** The folder of its WALs. */
export function walsKey(generation: Generation): string {
  return `${generationKey(generation)}/wal`;
}

export function snapshotKey(generation: Generation, index: WalIndex, compressed: boolean): string {
  return `${snapshotsKey(generation)}/${formatWalIndex(index)}.snapshot${compressed ? compressedSuffix : ""}`;
}

export const compressedSuffix = ".lz4";

/** The parts of an object's key. */
export interface ObjectName {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly compressed: boolean;
}

/** Undefined for anything that is not named as a snapshot. */
export function parseSnapshotKey(key: string): ObjectName | undefined {
  const match = /^generations\/([0-9a-f]{16})\/snapshots\/([0-9a-f]{8})\.snapshot(\.lz4)?$/.exec(key);
  return match === null ? undefined : objectName(match[1], match[2], match[3]);
}

/** The parts from what a pattern matched; undefined for an index that no generation reaches. */
export function objectName(
  generation: string | undefined,
  index: string | undefined,
  suffix: string | undefined,
): ObjectName | undefined {
  if (generation === undefined || !isGeneration(generation) || index === undefined) return undefined;
  const number = Number.parseInt(index, 16);
  if (number > walIndexMax) return undefined;
  return { generation, index: walIndex(number), compressed: suffix !== undefined };
}
