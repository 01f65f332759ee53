import type { Generation } from "./generation.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "./layout/objects.ts";
import type { LtxInfo } from "./layout/ltx.ts";
import type { SideFileName, SnapshotEnd, WalPoints } from "./layout/restore-points.ts";
import type { WalIndex } from "./position.ts";
import type { StoreEntry } from "./store/store.ts";

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
   * The bytes of one WAL from its header, or `fromOffset`, on, uncompressed; all segments of it in turn. Where `.wal`
   * and `.wal.lz4` both exist the former wins.
   * @throws LitestreamError OBJECT_MISSING, FORMAT_INVALID or BACKUP_DAMAGED, at the latest while it is read.
   */
  walReader(generation: Generation, index: WalIndex, fromOffset?: number): AsyncIterable<Uint8Array>;
  /** Of a replica that may have our side files; what they say is of help, and never needed. */
  readonly sideFiles?: SideFiles;
  /** Of a replica that may be one of Litestream 0.5, or have become one. */
  readonly ltx?: LtxFiles;
  /** Everything that is stored, whatever its name. */
  readonly objects?: () => Promise<StoreEntry[]>;
  /**
   * Says which objects will be read whole, in which order, so that small ones can be fetched before their turn.
   * @param paths as listed last
   * @param countMax objects at a time; as many as the store likes where absent
   * @returns to end it
   */
  readonly readAhead?: (paths: readonly string[], countMax?: number) => Disposable;
  /** Of a replica in which a reader can say what it reads. */
  readonly leases?: ReaderLeaseStore | undefined;
  /**
   * Calls `listener` with the number of bytes whenever a piece of an object was read, as it is stored.
   * @returns to end it
   */
  readonly observeReads?: (listener: (bytes: number) => void) => () => void;
}

/** Where leases of readers are (layout/reader-lease.ts). Each call may fail: not every reader may write. */
export interface ReaderLeaseStore {
  put(key: string): Promise<void>;
  delete(key: string): Promise<void>;
}

/** The files of the `ltx` layout. */
export interface LtxFiles {
  list(): Promise<LtxInfo[]>;
  /** The time in a file's header; undefined where that is damaged, of another file, or gone. Nothing proves it. */
  headerTime(info: LtxInfo): Promise<Date | undefined>;
  /** The bytes of a file as they are stored. */
  read(info: LtxInfo): AsyncIterable<Uint8Array>;
}

/** A side file, as the store lists it. */
export interface SideFileInfo extends SideFileName {
  readonly path: string;
  readonly sizeBytes: number;
}

/** Our side files of a replica (docs/formats/whole.md). */
export interface SideFiles {
  list(): Promise<SideFileInfo[]>;
  /**
   * @param part `end` reads only what the last points are known from
   * @returns undefined where the file is gone, or is none
   */
  walPoints(info: SideFileInfo, part: "all" | "end"): Promise<WalPoints | undefined>;
  snapshotEnd(info: SideFileInfo): Promise<SnapshotEnd | undefined>;
  /** The checksum at the end of a snapshot's LZ4 frame; undefined for one that is stored in another form. */
  snapshotHash(info: Pick<SnapshotInfo, "path" | "sizeBytes">): Promise<number | undefined>;
}
