import type { LitestreamEvent } from "./events.ts";
import type { ReplicaOptions } from "./replica-options.ts";

/** One database and where it is replicated to. Times are milliseconds; the defaults are Litestream's. */
export interface LitestreamOptions {
  readonly path: string;
  readonly replicas: readonly ReplicaOptions[];
  /** The meta directory; `.<db>-litestream` beside the database when absent. */
  readonly metaPath?: string | undefined;
  /** Poll of the database, for when no event of the file system comes; 1000. */
  readonly monitorIntervalMs?: number | undefined;
  /** Off: nothing happens by itself, the caller calls `sync`. On when absent. */
  readonly monitorEnabled?: boolean | undefined;
  /** A checkpoint is tried at least this often, if there is anything to move; 60000; 0 for never. */
  readonly checkpointIntervalMs?: number | undefined;
  /**
   * Pages in the WAL from which a checkpoint is tried; 1000. While it happens by itself, that is once in
   * `monitorIntervalMs`, or at once where there are five times as many.
   */
  readonly minCheckpointPageCount?: number | undefined;
  /** Pages in the WAL from which a checkpoint waits for readers; 10000; 0 for never. */
  readonly maxCheckpointPageCount?: number | undefined;
  /** How long a lock of the database is waited for; 1000. */
  readonly busyTimeoutMs?: number | undefined;
  /** Called synchronously with each event; what it throws is ignored. */
  readonly onEvent?: ((event: LitestreamEvent) => void) | undefined;
}
