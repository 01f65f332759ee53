/**
 * Leases of readers: how a restore or a follower says what it still reads, so that retention leaves it there
 * (docs/formats/whole.md). An empty object in the replica's root,
 *
 *     reader-<generation>-<index>-<id>        id: 16 hexadecimal digits, the reader's own
 *
 * says that somebody reads that generation from snapshot or WAL `index` on. It is written again while that goes on; its
 * modification time tells how lately. Not in a folder of its own: one that another user made might be closed to
 * whoever replicates.
 */
import { type Generation, isGeneration } from "../generation.ts";
import { formatWalIndex, type WalIndex, walIndex, walIndexMax } from "../position.ts";
import type { StoreEntry } from "../store/store.ts";

/**
 * What was needed to restore any state within the retention is deleted so much later at the earliest: time for readers
 * that take no lease, as they are quick, or may not write.
 */
export const readerGraceMs: number = 10 * 60_000;

/** A lease that was not written again for so long is nobody's. */
export const readerLeaseMs: number = 10 * 60_000;

/** The beginning of all leases' keys. */
export const readerLeasePrefix = "reader-";

export interface ReaderLeaseName {
  readonly generation: Generation;
  /** Snapshot and WAL of this index, and all WAL after it, are read. */
  readonly index: WalIndex;
  /** 16 hexadecimal digits. */
  readonly id: string;
}

export function readerLeaseKey({ generation, index, id }: ReaderLeaseName): string {
  return `${readerLeasePrefix}${generation}-${formatWalIndex(index)}-${id}`;
}

/** Undefined for anything that is not named as a lease. */
export function parseReaderLeaseKey(key: string): ReaderLeaseName | undefined {
  const [, generation = "", digits = "", id = ""] =
    /^reader-([0-9a-f]{16})-([0-9a-f]{8})-([0-9a-f]{16})$/.exec(key) ?? [];
  const index = Number.parseInt(digits, 16);
  if (!isGeneration(generation) || Number.isNaN(index) || index > walIndexMax) return undefined;
  return { generation, index: walIndex(index), id };
}

/** What leases say. */
export interface ReaderLeases {
  /** Of each generation that is read: the lowest index from which it is. */
  readonly held: ReadonlyMap<Generation, WalIndex>;
  /** Keys of leases that are nobody's any more, to be deleted. */
  readonly expired: readonly string[];
}

/** @param entries of the store, others among them; @param nowMs milliseconds since 1970 */
export function readerLeases(entries: readonly StoreEntry[], nowMs: number): ReaderLeases {
  const held = new Map<Generation, WalIndex>();
  const expired: string[] = [];
  for (const { key, modifiedAt } of entries) {
    const lease = parseReaderLeaseKey(key);
    if (lease === undefined) continue;
    // Also one of the future: a clock was set back, and it would be believed for as long as that.
    if (Math.abs(nowMs - modifiedAt.getTime()) > readerLeaseMs) {
      expired.push(key);
      continue;
    }
    const before = held.get(lease.generation);
    if (before === undefined || lease.index < before) held.set(lease.generation, lease.index);
  }
  return { held, expired };
}
