import type { GenerationReason } from "./generation-reason.ts";
import type { Generation } from "./generation.ts";
import type { Position, WalIndex } from "./position.ts";
import type { RetentionResult, ValidationResult } from "./status.ts";

/** What happens to one database and its replicas, as values. Logs, metrics and progress bars observe these. */
export type LitestreamEvent = { readonly db: string } & LitestreamEventBody;

export type LitestreamEventBody =
  /** The database is not there, or not usable yet; said once, then it is tried again at each poll. */
  | { readonly type: "waiting"; readonly reason: string }
  /** Replication of the database began; `resumed` when the generation of an earlier run goes on. */
  | { readonly type: "opened"; readonly pageSize: number; readonly resumed: boolean }
  | { readonly type: "generation"; readonly generation: Generation; readonly reason: GenerationReason }
  /** Frames were copied from the WAL to the shadow WAL. */
  | {
      readonly type: "sync";
      readonly position: Position;
      readonly frames: number;
      readonly bytes: number;
      readonly durationMs: number;
    }
  | {
      readonly type: "checkpoint";
      readonly mode: "PASSIVE" | "FORCED";
      /** False when readers or writers kept part of the WAL from being moved; it is tried again later. */
      readonly complete: boolean;
      readonly walFrames: number;
      readonly backfilledFrames: number;
      readonly durationMs: number;
      /** How long writers were kept out; 0 when the write lock could not be had. */
      readonly writeLockMs: number;
      /** Of one that failed. */
      readonly error?: unknown;
    }
  | {
      readonly type: "snapshot";
      readonly replica: string;
      readonly generation: Generation;
      readonly index: WalIndex;
      /** Bytes of the database file, and of the stored object. */
      readonly bytes: number;
      readonly sizeBytes: number;
      readonly durationMs: number;
    }
  /** How far a snapshot or a validation has come, a few times a second; the total is an estimate. */
  | {
      readonly type: "progress";
      readonly replica: string;
      readonly operation: "snapshot" | "validation";
      readonly doneBytes: number;
      readonly totalBytes: number;
    }
  /**
   * `position` is durable in the replica and can be restored; said when it is found out and whenever it moves.
   * Everything that was committed at `asOfMs` (milliseconds since 1970, as `Date.now()`) lies at or before it.
   */
  | {
      readonly type: "replica-sync";
      readonly replica: string;
      readonly position: Position;
      readonly bytes: number;
      readonly asOfMs: number;
      readonly durationMs: number;
    }
  | {
      readonly type: "wal-compressed";
      readonly replica: string;
      readonly generation: Generation;
      readonly index: WalIndex;
      readonly sizeBytes: number;
    }
  /** One request to a replica's store, or one file operation that stands for it; failed ones with their error. */
  | {
      readonly type: "replica-operation";
      readonly replica: string;
      /** `file`, `s3` and others. */
      readonly replicaType: string;
      readonly operation: "PUT" | "GET" | "LIST" | "DELETE";
      readonly bytes: number;
      readonly durationMs: number;
      readonly error?: unknown;
    }
  /** Objects that are no longer needed were deleted from a replica; or, with `isDryRun`, would be. */
  | ({ readonly type: "retention" } & RetentionResult)
  /** A replica was restored aside and compared with the live database. */
  | ({ readonly type: "validation" } & ValidationResult)
  | { readonly type: "warning"; readonly message: string; readonly hint?: string }
  /**
   * The disk of a replica, or of the meta directory where none is named, is full; and again when that is over. Until
   * then it is tried again and again, and everything else goes on.
   */
  | { readonly type: "disk-full"; readonly isFull: boolean; readonly replica?: string; readonly error?: unknown }
  /**
   * A transaction of somebody's has kept the WAL from being restarted for so long, and the WAL grows; and again when it
   * has ended.
   */
  | {
      readonly type: "long-reader";
      readonly isOver: boolean;
      /** Its read mark: the last frame that it sees. */
      readonly mark: number;
      readonly ageMs: number;
      readonly walSizeBytes: number;
    }
  /** An operation failed and will be tried again. */
  | {
      readonly type: "error";
      readonly operation: string;
      readonly error: unknown;
      /** The replica concerned; undefined for the database itself. */
      readonly replica?: string;
    }
  | { readonly type: "stopped" };

export type EmitEvent = (event: LitestreamEventBody) => void;
