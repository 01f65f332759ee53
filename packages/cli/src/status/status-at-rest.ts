import { statSync } from "node:fs";
import {
  type DatabaseStatus,
  errorMessage,
  isLitestreamError,
  openReplica,
  type ReplicaReader,
  type ReplicaStatus,
} from "@litestream/core";
import type { DatabaseConfig } from "../config/config.ts";

/** How a database stands that nobody replicates: what is on disk, and how far each replica's newest data is behind. */
export async function statusAtRest({ path, replicas }: DatabaseConfig): Promise<DatabaseStatus> {
  const database = statSync(path, { throwIfNoEntry: false });
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
  const changedAtMs = database === undefined ? undefined : Math.max(database.mtimeMs, wal?.mtimeMs ?? 0);
  return {
    path,
    state: "stopped",
    reason: database === undefined ? "no database is there" : undefined,
    position: undefined,
    pageSize: undefined,
    dbSizeBytes: database?.size,
    walSizeBytes: database === undefined ? undefined : (wal?.size ?? 0),
    shadowWalSizeBytes: undefined,
    syncCount: 0,
    replicas: await Promise.all(replicas.map((options) => replicaAtRest(openReplica(options), changedAtMs))),
  };
}

async function replicaAtRest(replica: ReplicaReader, changedAtMs: number | undefined): Promise<ReplicaStatus> {
  const status: ReplicaStatus = {
    name: replica.name,
    type: replica.type,
    location: replica.location,
    position: undefined,
    asOfMs: undefined,
    lagMs: undefined,
    lagBytes: undefined,
    failure: undefined,
    lastSnapshot: undefined,
    lastValidation: undefined,
  };
  try {
    const stats = await Promise.all((await replica.generations()).map((name) => replica.generationStats(name)));
    const times = stats.flatMap(({ updatedAt }) => updatedAt?.getTime() ?? []);
    for (const { createdAt } of (await replica.ltx?.list()) ?? []) times.push(createdAt.getTime());
    if (times.length === 0) return status;
    const asOfMs = Math.max(...times);
    return { ...status, asOfMs, lagMs: changedAtMs === undefined ? undefined : Math.max(0, changedAtMs - asOfMs) };
  } catch (error) {
    const [code, hint] = isLitestreamError(error) ? [error.code, error.hint] : [undefined, undefined];
    return { ...status, failure: { code, message: errorMessage(error), hint, sinceMs: Date.now(), count: 1 } };
  }
}
