import type { Generation } from "../generation.ts";
import type { WalIndex } from "../position.ts";

/** A snapshot of a replica, as its store lists it. */
export interface SnapshotInfo {
  readonly generation: Generation;
  readonly index: WalIndex;
  /** Path below the replica's root. */
  readonly path: string;
  /** Bytes as stored, compressed or not. */
  readonly sizeBytes: number;
  /** The object's modification time: Litestream 0.3 knows no other. */
  readonly createdAt: Date;
  /** The same in nanoseconds since 1970, where the store knows it that well. */
  readonly createdAtNs?: bigint;
}

/** One stored piece of a WAL: all of it in the `whole` layout, a segment from `offset` on in `segments`. */
export interface WalInfo {
  readonly generation: Generation;
  readonly index: WalIndex;
  /** Bytes into the (uncompressed) WAL where this piece begins; always 0 in the `whole` layout. */
  readonly offset: number;
  /** False for a WAL that may still grow in place, or was growing when its writer ended. */
  readonly compressed: boolean;
  readonly path: string;
  readonly sizeBytes: number;
  readonly createdAt: Date;
  readonly createdAtNs?: bigint;
}

/** What a generation of a replica holds, and the time it spans; times are undefined while it holds nothing. */
export interface GenerationStats {
  readonly snapshotCount: number;
  readonly walCount: number;
  /** Bytes as stored. */
  readonly snapshotSizeBytes: number;
  readonly walSizeBytes: number;
  readonly createdAt: Date | undefined;
  readonly updatedAt: Date | undefined;
}
