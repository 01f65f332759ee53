import { lstatSync } from "node:fs";
import { formatPosition, formatTxid, isLitestreamError, openReplica, restore } from "@litestream/core";
import type { DatabaseConfig } from "./config/config.ts";
import { formatDurationMs } from "./duration.ts";
import type { Log } from "./log/log.ts";
import { newestReplica } from "./newest-replica.ts";
import { formatBytes } from "./size.ts";

/**
 * Restores a database that is not there, if its configuration asks for it. Where there is no backup either, it begins
 * empty: the first start of all.
 * @throws what keeps a backup that is there from being restored: to begin without it would hide that
 */
export async function restoreIfMissing(config: DatabaseConfig, log: Log, signal: AbortSignal): Promise<void> {
  const { path, replicas, restoreIfDbNotExists } = config;
  if (restoreIfDbNotExists !== true || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const startedAtMs = performance.now();
  try {
    const replica = await newestReplica(
      replicas.map((options) => openReplica(options)),
      undefined,
    );
    log.info(`is not there: restoring it from replica ${replica.name}`, path);
    const result = await restore({ replica, outputPath: path, integrityCheck: "quick", signal });
    const at = result.layout === "wal" ? formatPosition(result.position) : `transaction ${formatTxid(result.txid)}`;
    const durationMs = performance.now() - startedAtMs;
    log.info(`restored at ${at}: ${formatBytes(result.sizeBytes)} in ${formatDurationMs(durationMs)}`, path, {
      replica: replica.name,
      position: at,
      size: result.sizeBytes,
      duration_ms: Math.round(durationMs),
    });
  } catch (error) {
    if (!isLitestreamError(error, "NO_BACKUP")) throw error;
    log.info("is not there, and no backup of it", path);
  }
}
