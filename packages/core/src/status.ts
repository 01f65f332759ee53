import type { Generation } from "./generation.ts";
import type { Position, WalIndex } from "./position.ts";

/** How one database and its replicas stand, as plain values: the same in every process that is told of them. */
export interface DatabaseStatus {
  readonly path: string;
  /** `waiting`: for the database to be there, or to be usable; `reason` says why. */
  readonly state: "stopped" | "waiting" | "replicating";
  readonly reason: string | undefined;
  /** Where capture stands; undefined while there is no generation. */
  readonly position: Position | undefined;
  readonly pageSize: number | undefined;
  readonly dbSizeBytes: number | undefined;
  readonly walSizeBytes: number | undefined;
  readonly shadowWalSizeBytes: number | undefined;
  /** Times that the WAL was looked at, and what was new in it copied, since replication began in this process. */
  readonly syncCount: number;
  readonly replicas: readonly ReplicaStatus[];
}

export interface ReplicaStatus {
  readonly name: string;
  /** `file`, `s3` and others. */
  readonly type: string;
  /** For people: a folder, or a URL without secrets. */
  readonly location: string;
  /** Durable in the replica, and restorable; undefined until it was found out. */
  readonly position: Position | undefined;
  /** Everything committed at this time (milliseconds since 1970) is durable in the replica. */
  readonly asOfMs: number | undefined;
  /** How far the replica is behind: the age of the oldest commit that it lacks, 0 where it lacks none. */
  readonly lagMs: number | undefined;
  /** Bytes of captured WAL that it lacks; undefined while another generation has to begin there. */
  readonly lagBytes: number | undefined;
  /** What its last operation failed with, until one succeeds. */
  readonly failure: ReplicaFailure | undefined;
  readonly lastSnapshot: LastSnapshot | undefined;
  readonly lastValidation: ValidationResult | undefined;
}

export interface ReplicaFailure {
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
  /** Milliseconds since 1970: of the first failure of those that have no success between them. */
  readonly sinceMs: number;
  readonly count: number;
}

export interface LastSnapshot {
  readonly generation: Generation;
  readonly index: WalIndex;
  /** Milliseconds since 1970. */
  readonly takenAtMs: number;
  readonly sizeBytes: number;
}

/** What came of restoring a replica aside and comparing it with the live database at the same position. */
export interface ValidationResult {
  readonly replica: string;
  /**
   * `mismatch`: both are whole, and differ; `error`: it could not be found out, or the replica is damaged, as `message`
   * says.
   */
  readonly status: "ok" | "mismatch" | "error";
  /** Undefined where none was reached. */
  readonly position: Position | undefined;
  /** Milliseconds since 1970. */
  readonly endedAtMs: number;
  readonly durationMs: number;
  /** With `mismatch`: the first pages that differ, and the tables or indexes they belong to. */
  readonly differences: readonly PageDifference[];
  /** With `mismatch`: the folder in which both databases were kept, compressed. */
  readonly keptAt: string | undefined;
  /** With `error`: why; with `mismatch`: how much differs. */
  readonly message: string | undefined;
}

export interface PageDifference {
  readonly pgno: number;
  /** The table or index whose page it is; undefined for a free page, or where that could not be found out. */
  readonly owner: string | undefined;
}

/** What was deleted from a replica; with `isDryRun`, what would be. */
export interface RetentionResult {
  readonly replica: string;
  readonly deletedSnapshots: number;
  readonly deletedWals: number;
  readonly deletedBytes: number;
  readonly isDryRun: boolean;
  readonly durationMs: number;
  /** Of a dry run: a new snapshot would be taken first, in whose favour more goes later. */
  readonly isSnapshotDue?: boolean | undefined;
  /** Of a dry run: what would be deleted, in this order. */
  readonly objects?: readonly RetentionObject[] | undefined;
}

export interface RetentionObject {
  /** Below the replica's root. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly reason: string;
}
