/**
 * Which shadow WAL may be let go. Pure. Each replica keeps what it has yet to copy, up to its bound; beyond that it
 * gets a new snapshot instead, which it can take in the same generation only if some WAL lies between what it holds and
 * the current one: so much is kept from being let go. The WAL of a snapshot under way is kept whatever its size.
 */
import type { Generation } from "../generation.ts";
import type { Position, WalIndex } from "../position.ts";

/** What a replica still has to copy. */
export interface ShadowNeed {
  /** Durable in it, as far as is known; undefined where nothing is: it may need all. */
  readonly position: Position | undefined;
  /** A snapshot under way needs all WAL from this position's index on. */
  readonly snapshot: Position | undefined;
  /** Bytes of WAL that are kept for it. Asked for only where it is behind. */
  readonly sizeBytesMax: () => number;
}

/** The newest WALs that are kept whatever the bounds say: enough for a replica to go on behind a new snapshot. */
const keptCountMin = 3;

/** The newest WALs of which every replica may have everything and that are kept all the same, as Litestream does. */
const keptCount = 2;

/**
 * @param first the lowest index that is held
 * @param sizeOf bytes of the WAL of an index, from the lowest to the current one
 * @returns the lowest index to keep
 */
export function firstToKeep(
  captured: { readonly generation: Generation; readonly index: WalIndex },
  first: number,
  needs: readonly ShadowNeed[],
  sizeOf: (index: number) => number,
): number {
  const { generation, index } = captured;
  const kept = [index - keptCount + 1];
  for (const { position, snapshot, sizeBytesMax } of needs) {
    // One before it, as Litestream keeps.
    const needed = Math.max(first, position?.generation === generation ? position.index - 1 : first);
    kept.push(withinBound(needed, index, sizeBytesMax, sizeOf));
    if (snapshot?.generation === generation) kept.push(snapshot.index);
  }
  return Math.max(first, Math.min(...kept));
}

function withinBound(
  needed: number,
  last: number,
  sizeBytesMax: () => number,
  sizeOf: (index: number) => number,
): number {
  const lowestMax = last - keptCountMin + 1;
  if (needed >= lowestMax) return needed;
  let sizeBytes = 0;
  for (let index = needed; index <= last; index++) sizeBytes += sizeOf(index);
  let from = needed;
  const keptMax = sizeBytesMax();
  while (from < lowestMax && sizeBytes > keptMax) sizeBytes -= sizeOf(from++);
  return from;
}
