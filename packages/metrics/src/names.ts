/**
 * The metrics that core's events can feed, with the names and labels of Litestream 0.3.13, so that dashboards go on
 * working. 0.3.4 wrote `litestream_db_` instead of `litestream_` before those of a database.
 */
export const metricNames = {
  totalWalBytes: "litestream_total_wal_bytes",
  shadowWalIndex: "litestream_shadow_wal_index",
  shadowWalSize: "litestream_shadow_wal_size",
  syncCount: "litestream_sync_count",
  syncErrorCount: "litestream_sync_error_count",
  syncSeconds: "litestream_sync_seconds",
  checkpointCount: "litestream_checkpoint_count",
  checkpointSeconds: "litestream_checkpoint_seconds",
  replicaWalBytes: "litestream_replica_wal_bytes",
  replicaWalIndex: "litestream_replica_wal_index",
  replicaWalOffset: "litestream_replica_wal_offset",
} as const;
