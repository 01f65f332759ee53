import type { DatabaseStatus, ValidationResult } from "@litestream/core";

/**
 * What is said over the control socket: HTTP with JSON, as in Litestream 0.5 (`POST /sync`, `GET /list`), with
 * positions in their text form where 0.5 has transaction ids. `status`, `snapshot`, `validate`, `reload` are ours.
 */
export interface PathRequest {
  readonly path: string;
  /** Seconds. */
  readonly timeout?: number;
}

export interface SyncRequest extends PathRequest {
  /** Until every replica has everything that is committed now. */
  readonly wait?: boolean;
}

export interface ReplicaRequest extends PathRequest {
  readonly replica?: string;
}

export interface RegisterRequest {
  readonly path: string;
  readonly replica_url: string;
}

export interface SyncResponse {
  readonly status: "synced" | "synced_local" | "no_change";
  readonly path: string;
  readonly position: string | null;
  readonly replicated_position: string | null;
}

export interface StateResponse {
  readonly status: string;
  readonly path: string;
  readonly position: string | null;
}

export interface InfoResponse {
  readonly version: string;
  readonly pid: number;
  readonly uptime_seconds: number;
  readonly started_at: string;
  readonly database_count: number;
}

export interface ListResponse {
  readonly databases: readonly { readonly path: string; readonly status: string; readonly last_sync_at?: string }[];
}

export interface StatusResponse {
  readonly databases: readonly DatabaseStatus[];
}

export interface SnapshotResponse {
  readonly path: string;
  readonly snapshots: readonly {
    readonly replica: string;
    readonly generation: string;
    readonly index: string;
    readonly size: number;
    readonly created: string;
  }[];
}

export interface ValidateResponse {
  readonly path: string;
  readonly results: readonly ValidationResult[];
}

/** What comes in lines, before the answer, to who accepts `progressType`. */
export interface ProgressLine {
  readonly replica: string;
  readonly operation: "snapshot" | "validation";
  readonly done: number;
  readonly total: number;
}

/** JSON in lines: any number of `{"progress": …}`, then `{"answer": …}` or `{"failure": …}`. */
export const progressType = "application/x-ndjson";

export interface ErrorResponse {
  readonly error: string;
  readonly code?: string;
  readonly hint?: string;
}
