import type { ConnectionOptions } from "./open-database.ts";

/** What SQLite stores, and a boolean, which it stores as 0 or 1. */
export type SqlValue = string | number | bigint | boolean | Uint8Array | null;

/** By position, or by name: `{ id: 1 }` for `$id`. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>;

/** A row by its columns' names. An integer is a bigint where a number could not hold it, a blob a Uint8Array. */
export type SqlRow = Record<string, string | number | bigint | Uint8Array | null>;

/** What `run` says of the last statement; the same as SQLite's functions of these names. */
export interface SqlChanges {
  readonly changes: number;
  readonly lastInsertRowid: number | bigint;
}

/** What a connection process is told as its only argument, in JSON. */
export interface ConnectionTask extends ConnectionOptions {
  readonly path: string;
}

/** Parent to process: statements, answered in this order. Exit code 0 answers `close`. */
export type ConnectionRequest =
  | { readonly type: "run" | "all"; readonly id: number; readonly sql: string; readonly params: SqlParameters }
  | { readonly type: "close" };

/**
 * Process to parent. `code` is a name such as `SQLITE_BUSY`, or empty for an error that is not SQLite's. A connection
 * that cannot be opened or closed is told on standard error, with exit code 1.
 */
export type ConnectionReply =
  | { readonly type: "ready" }
  | { readonly type: "result"; readonly id: number; readonly result: SqlRow[] | SqlChanges }
  | { readonly type: "error"; readonly id: number; readonly code: string; readonly message: string };
