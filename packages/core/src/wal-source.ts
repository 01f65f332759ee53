import type { FileOwner } from "./file-owner.ts";
import type { Generation } from "./generation.ts";
import type { GenerationReason } from "./generation-reason.ts";
import type { Position, WalIndex } from "./position.ts";
import type { ReadAt } from "./wal/file.ts";

/** A position, and the time up to which everything committed lies at or before it. */
export interface CapturedPosition {
  readonly position: Position;
  /** Milliseconds since 1970. */
  readonly asOfMs: number;
}

/** The captured part of one WAL file. */
export interface SourceWal extends ReadAt, Disposable {
  /** End of its last captured commit. */
  readonly endOffset: number;
  /** True once a later index has begun: nothing is added any more. */
  readonly isSealed: boolean;
}

/** The database file at a moment. Keeps the WAL from being restarted until it is disposed of. */
export interface SourceSnapshot extends Disposable {
  readonly generation: Generation;
  /** The WAL that has to be applied from its beginning. */
  readonly index: WalIndex;
  /**
   * The bytes of the database file. Others may move frames into the file meanwhile, so they are exact only together
   * with the WAL up to `end()`.
   */
  content(): AsyncIterable<Uint8Array>;
  /** To be called when the content was read: the position that a replica must hold before it shows the snapshot. */
  end(): Position;
}

/** The database exactly as of a position. Keeps the WAL from being restarted until it is disposed of. */
export interface SourceState extends Disposable {
  readonly position: Position;
  readonly pageSize: number;
  /** Of the database file; `wal` may have more pages, or fewer. */
  readonly fileSizeBytes: number;
  /** The bytes of the database file, in which each page is the one of the position, unless `wal` has another one. */
  content(): AsyncIterable<Uint8Array>;
  /** The WAL up to the position; undefined where it has nothing. Disposed of with the state. */
  readonly wal: SourceWal | undefined;
}

/** What a replica sees of the database it belongs to. */
export interface WalSource {
  /** Of the database. */
  readonly path: string;
  readonly owner: FileOwner;
  /** The folder beside it that is ours. */
  readonly metaPath: string;
  /** About how large the database is, with what is only in its WAL. */
  sizeBytes(): number;
  /** Where capture stands; undefined while there is no generation. */
  captured(): CapturedPosition | undefined;
  /** Undefined where the source does not hold that WAL. */
  openWal(generation: Generation, index: WalIndex): SourceWal | undefined;
  /** @throws LitestreamError DATABASE_BUSY, DATABASE_UNAVAILABLE */
  beginSnapshot(): SourceSnapshot;
  /**
   * The database as it is now, without a lock that keeps anybody from writing.
   * @throws LitestreamError DATABASE_BUSY when writers never rested for long enough to tell where that is
   */
  beginState(): SourceState;
  /** Gives up the current generation: a replica cannot go on with it. */
  beginGeneration(reason: GenerationReason): void;
  /** Calls `listener` whenever `captured()` has moved on; it must not do any work of its own. @returns to end it */
  onCaptured(listener: () => void): () => void;
}
