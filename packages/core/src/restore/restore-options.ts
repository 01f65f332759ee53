/** What a restore is asked for, what it tells on the way, and what it gives. */
import type { Generation } from "../generation.ts";
import type { Txid } from "../ltx/txid.ts";
import type { Position, WalIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import type { AnyPlan } from "./any-plan.ts";
import type { RestoreProgress as WalProgress } from "./apply.ts";
import type { LtxProgress } from "./apply-ltx.ts";
import type { RestoreTarget } from "./restore-plan.ts";

/** Which state to restore: the latest where nothing is given. */
export interface RestorePointOptions {
  readonly replica: ReplicaReader;
  /** The one updated last where absent. */
  readonly generation?: Generation | undefined;
  /** Up to the end of this WAL. */
  readonly index?: WalIndex | undefined;
  /**
   * Exactly the state after the commit that ends here; in place of a generation and an index. At offset 0, or within
   * the WAL's header, the state before that WAL.
   */
  readonly position?: Position | undefined;
  /** The last state in the replica at this time: a `Date`, or RFC 3339 with up to nine digits of a second. */
  readonly timestamp?: Date | string | undefined;
  /** Up to this transaction, in a replica by Litestream 0.5. */
  readonly txid?: Txid | undefined;
  /**
   * Takes the newest state that can be restored where the one asked for cannot. `RestoreResult.lost` says what that
   * costs.
   */
  readonly force?: boolean | undefined;
  /** How the user of this call forces, for hints: `-force` where absent. */
  readonly forceHint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RestoreOptions extends RestorePointOptions {
  /** Where the database is to appear. Nothing may be there, nor a `-wal`, `-shm` or `-journal` beside it. */
  readonly outputPath: string;
  /**
   * Lets SQLite check the result before it appears: its structure, or also that indexes agree with their tables.
   * `quick` where absent.
   */
  readonly integrityCheck?: "quick" | "full" | "none" | undefined;
  /**
   * How many threads may be at work, the number of cores, at most 4, where absent; and how many small objects may be
   * fetched at a time where each is a request, 16 from S3 where absent.
   */
  readonly parallelism?: number | undefined;
  readonly onProgress?: ((event: RestoreEvent) => void) | undefined;
}

/** How far a restore has come, and what it met. */
export type RestoreEvent =
  /** What is going to be applied. Comes again where an object proves damaged, and another plan is made. */
  | { readonly type: "plan"; readonly plan: AnyPlan }
  | Exclude<WalProgress, { readonly type: "plan" }>
  | LtxProgress
  /** Bytes read so far, as stored; `totalBytes` is what the plan has to read. */
  | { readonly type: "read"; readonly readBytes: number; readonly totalBytes: number }
  | { readonly type: "integrity-check"; readonly depth: "quick" | "full" }
  /** An object is damaged, and others held the same; or the result could not be checked. */
  | { readonly type: "warning"; readonly message: string };

/** What was restored. */
export type RestoreResult = WalRestoreResult | LtxRestoreResult;

export interface RestoredDatabase {
  readonly pageSize: number;
  readonly pageCount: number;
  readonly sizeBytes: number;
  /** With `force`: what was left out of what was asked for. */
  readonly lost: string | undefined;
  /** What a `warning` event said. */
  readonly warnings: readonly string[];
}

/** Out of snapshots and WALs: a replica of ours, or of Litestream 0.3. */
export interface WalRestoreResult extends RestoredDatabase {
  readonly layout: "wal";
  readonly generation: Generation;
  /** The end of the last commit in the restored database; offset 0 where it is the snapshot alone. */
  readonly position: Position;
  readonly snapshotIndex: WalIndex;
  readonly walCount: number;
  /**
   * Bytes at the end of the last WAL that were left out because they make no whole transaction: an append that was
   * interrupted. Worth a warning when above 0.
   */
  readonly droppedBytes: number;
}

/** Out of LTX files: a replica of Litestream 0.5. */
export interface LtxRestoreResult extends RestoredDatabase {
  readonly layout: "ltx";
  readonly txid: Txid;
  readonly fileCount: number;
  readonly droppedBytes: 0;
}

export interface AnyTarget extends RestoreTarget {
  readonly txid?: Txid;
}
