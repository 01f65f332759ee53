/**
 * Every metric: name, type and labels. Those of Litestream are as 0.3.13 serves them, so that dashboards and alerts go
 * on working; `disk_full`, errors and durations of operations come from 0.5, `snapshot_total` from 0.3.4.
 * docs/metrics.md tells what each means.
 */
export interface Definition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

const ofDb = ["db"] as const;
const ofMode = ["db", "mode"] as const;
const ofReplica = ["db", "name"] as const;
const ofOperation = ["replica_type", "operation"] as const;

function counter(name: string, labels: readonly string[], help: string): Definition {
  return { type: "counter", name: `litestream_${name}`, labels, help };
}

function gauge(name: string, labels: readonly string[], help: string): Definition {
  return { type: "gauge", name: `litestream_${name}`, labels, help };
}

function histogram(name: string, labels: readonly string[], buckets: readonly number[], help: string): Definition {
  return { type: "histogram", name: `litestream_${name}`, labels, buckets, help };
}

/** Of a database; 0.3.4 has these under `litestream_db_`. */
type DatabaseKey =
  | "dbSize"
  | "walSize"
  | "totalWalBytes"
  | "shadowWalIndex"
  | "shadowWalSize"
  | "syncCount"
  | "syncErrorCount"
  | "syncSeconds"
  | "checkpointCount"
  | "checkpointErrorCount"
  | "checkpointSeconds";

export type MetricKey =
  | DatabaseKey
  | "diskFull"
  | "longReaderSeconds"
  | "generationTotal"
  | "writeLockSeconds"
  | "replicaSnapshotTotal"
  | "replicaWalBytes"
  | "replicaWalIndex"
  | "replicaWalOffset"
  | "replicaValidationTotal"
  | "replicaOperationTotal"
  | "replicaOperationBytes"
  | "replicaOperationErrorsTotal"
  | "replicaOperationDurationSeconds"
  | "replicaSyncErrorTotal"
  | "replicaLagSeconds"
  | "replicaLagBytes"
  | "replicaLastSyncTimestamp"
  | "replicaValidationAge"
  | "replicaRestorableFrom"
  | "replicaRestorableWindow";

const ofDatabase: Readonly<Record<DatabaseKey, Definition>> = {
  dbSize: gauge("db_size", ofDb, "Bytes of the database file"),
  walSize: gauge("wal_size", ofDb, "Bytes of the WAL file"),
  totalWalBytes: counter("total_wal_bytes", ofDb, "Bytes copied from the WAL to the shadow WAL"),
  shadowWalIndex: gauge("shadow_wal_index", ofDb, "Index of the current shadow WAL file"),
  shadowWalSize: gauge("shadow_wal_size", ofDb, "Bytes in the current shadow WAL file"),
  syncCount: counter("sync_count", ofDb, "Times that the WAL was looked at, and what was new in it copied"),
  syncErrorCount: counter("sync_error_count", ofDb, "Operations on the database that failed"),
  syncSeconds: counter("sync_seconds", ofDb, "Seconds spent copying frames to the shadow WAL"),
  checkpointCount: counter("checkpoint_count", ofMode, "Checkpoints that were run"),
  checkpointErrorCount: counter("checkpoint_error_count", ofMode, "Checkpoints that failed"),
  checkpointSeconds: counter("checkpoint_seconds", ofMode, "Seconds spent in checkpoints"),
};

export const definitions: Readonly<Record<MetricKey, Definition>> = {
  ...ofDatabase,
  diskFull: gauge("disk_full", ofDb, "1 while something cannot be written because a disk is full"),
  longReaderSeconds: gauge(
    "long_reader_seconds",
    ofDb,
    "For how long a transaction has kept the WAL from being restarted; 0 while none does",
  ),
  generationTotal: counter("generation_total", ["db", "reason"], "Generations that were begun, by reason"),
  writeLockSeconds: histogram(
    "write_lock_seconds",
    ofDb,
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    "How long writers were kept out by a checkpoint",
  ),
  replicaSnapshotTotal: gauge("replica_snapshot_total", ofReplica, "Snapshots in the replica"),
  replicaWalBytes: counter("replica_wal_bytes", ofReplica, "WAL bytes made durable in the replica"),
  replicaWalIndex: gauge("replica_wal_index", ofReplica, "Index of the replica's newest durable position"),
  replicaWalOffset: gauge("replica_wal_offset", ofReplica, "Offset of the replica's newest durable position"),
  replicaValidationTotal: counter(
    "replica_validation_total",
    ["db", "name", "status"],
    "Validations: ok, error (the replica differs from the database), incomplete (it could not be found out)",
  ),
  replicaOperationTotal: counter("replica_operation_total", ofOperation, "Requests to the stores of replicas"),
  replicaOperationBytes: counter("replica_operation_bytes", ofOperation, "Bytes of requests to the stores of replicas"),
  replicaOperationErrorsTotal: counter(
    "replica_operation_errors_total",
    ["replica_type", "operation", "code"],
    "Requests to the stores of replicas that failed",
  ),
  replicaOperationDurationSeconds: histogram(
    "replica_operation_duration_seconds",
    ofOperation,
    [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60],
    "How long requests to the stores of replicas took",
  ),
  replicaSyncErrorTotal: counter("replica_sync_error_total", ofReplica, "Operations on the replica that failed"),
  replicaLagSeconds: gauge("replica_lag_seconds", ofReplica, "Age of the oldest commit that the replica lacks"),
  replicaLagBytes: gauge("replica_lag_bytes", ofReplica, "Bytes of captured WAL that the replica lacks"),
  replicaLastSyncTimestamp: gauge(
    "replica_last_sync_timestamp_seconds",
    ofReplica,
    "Everything that was committed at this time is in the replica",
  ),
  replicaValidationAge: gauge(
    "replica_validation_age_seconds",
    ofReplica,
    "Seconds since the last validation that was ok, or since the start while there was none",
  ),
  replicaRestorableFrom: gauge(
    "replica_restorable_from_timestamp_seconds",
    ofReplica,
    "The oldest time of which the replica holds a state",
  ),
  replicaRestorableWindow: gauge(
    "replica_restorable_window_seconds",
    ofReplica,
    "From the oldest state in the replica to the newest",
  ),
};

/** The definitions under the names that 0.3.4 has; those it does not know are left out. */
export function definitionsOf034(): [MetricKey, Definition][] {
  return typedEntries(ofDatabase).map(([key, definition]) => [
    key,
    { ...definition, name: definition.name.replace(/^litestream_/, "litestream_db_") },
  ]);
}

export function allDefinitions(): [MetricKey, Definition][] {
  return typedEntries(definitions);
}

function typedEntries<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][];
}
