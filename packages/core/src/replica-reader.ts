import type { Generation } from "./generation.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "./layout/objects.ts";
import type { WalIndex } from "./position.ts";

/** The side of a replica that lists and restores: enough without a database beside it. */
export interface ReplicaReader {
  /** Unique among the replicas of a database; the type when none was given. */
  readonly name: string;
  /** `file`, later `s3` and others. */
  readonly type: string;
  /** For people: the folder or URL, without secrets. */
  readonly location: string;
  generations(): Promise<Generation[]>;
  generationStats(generation: Generation): Promise<GenerationStats>;
  /** All snapshots of all generations, by generation and index. */
  snapshots(): Promise<SnapshotInfo[]>;
  /** All WAL files or segments of all generations, by generation, index and offset. */
  wals(): Promise<WalInfo[]>;
  /**
   * The database file as it was copied, uncompressed. Where `.snapshot` and `.snapshot.lz4` both exist the former wins.
   * @throws LitestreamError OBJECT_MISSING, FORMAT_INVALID or BACKUP_DAMAGED, at the latest while it is read.
   */
  snapshotReader(generation: Generation, index: WalIndex): AsyncIterable<Uint8Array>;
  /**
   * The bytes of one WAL from its header on, uncompressed; all segments of it in turn. Where `.wal` and `.wal.lz4` both
   * exist the former wins.
   * @throws LitestreamError OBJECT_MISSING, FORMAT_INVALID or BACKUP_DAMAGED, at the latest while it is read.
   */
  walReader(generation: Generation, index: WalIndex): AsyncIterable<Uint8Array>;
}
