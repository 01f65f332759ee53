import {
  type DatabaseStatus,
  formatPosition,
  formatWalIndex,
  type Position,
  type ReplicaStatus,
} from "@litestream/core";

/** How a database stands, as JSON: times in RFC 3339, positions as text, sizes in bytes; null for what is not known. */
export function statusJson(status: DatabaseStatus): object {
  return {
    path: status.path,
    state: status.state,
    reason: status.reason ?? null,
    position: text(status.position),
    page_size: status.pageSize ?? null,
    db_size: status.dbSizeBytes ?? null,
    wal_size: status.walSizeBytes ?? null,
    shadow_wal_size: status.shadowWalSizeBytes ?? null,
    replicas: status.replicas.map(replicaJson),
  };
}

function replicaJson(replica: ReplicaStatus): object {
  const { failure, lastSnapshot, lastValidation } = replica;
  return {
    name: replica.name,
    type: replica.type,
    location: replica.location,
    position: text(replica.position),
    as_of: time(replica.asOfMs),
    lag_ms: replica.lagMs ?? null,
    lag_bytes: replica.lagBytes ?? null,
    failure:
      failure === undefined
        ? null
        : {
            code: failure.code ?? null,
            message: failure.message,
            hint: failure.hint ?? null,
            since: time(failure.sinceMs),
            count: failure.count,
          },
    last_snapshot:
      lastSnapshot === undefined
        ? null
        : {
            generation: lastSnapshot.generation,
            index: formatWalIndex(lastSnapshot.index),
            created: time(lastSnapshot.takenAtMs),
            size: lastSnapshot.sizeBytes,
          },
    last_validation: lastValidation === undefined ? null : validationJson(lastValidation),
  };
}

export function validationJson(result: NonNullable<ReplicaStatus["lastValidation"]>): object {
  return {
    replica: result.replica,
    status: result.status,
    position: text(result.position),
    ended: time(result.endedAtMs),
    duration_ms: Math.round(result.durationMs),
    differences: result.differences.map(({ pgno, owner }) => ({ pgno, owner: owner ?? null })),
    kept_at: result.keptAt ?? null,
    message: result.message ?? null,
  };
}

function text(position: Position | undefined): string | null {
  return position === undefined ? null : formatPosition(position);
}

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
