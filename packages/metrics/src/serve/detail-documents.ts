import type { RestorableGeneration } from "@litestream/core";
import type { NotedEvent } from "./event-log.ts";
import type { HistorySeries } from "./history.ts";

/** What `/database.json` says. */
export interface DatabaseDetail {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly replicas: readonly ReplicaHistory[];
  /** The newest first. */
  readonly events: readonly NotedEvent[];
}

export interface ReplicaHistory {
  readonly name: string;
  /** Of each tier of the history, from the finest. */
  readonly series: readonly HistorySeries[];
}

/** What `/restorable.json` says. */
export interface RestorableDocument {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly generations: readonly RestorableGeneration[];
}

/** What `/restore.json` says. */
export interface RestorePoint {
  /** To be pasted into a shell. */
  readonly command: string;
  /** What it restores, in words. */
  readonly state: string;
  /** Bytes that it reads. */
  readonly storedBytes: number;
}

/** What is said instead, with another status than 200. */
export interface FailureDocument {
  readonly error: string;
  readonly hint?: string;
}
