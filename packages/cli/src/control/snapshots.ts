import { formatWalIndex } from "@litestream/core";
import type { DatabaseConfig } from "../config/config.ts";
import type { Engine } from "../supervisor/engine.ts";
import type { SnapshotResponse } from "./protocol.ts";

/** What `snapshot` says, of one replica or all. */
export async function takeSnapshots(
  engine: Pick<Engine, "snapshot">,
  { replicas }: Pick<DatabaseConfig, "replicas">,
  request: { readonly replica?: string; readonly signal: AbortSignal },
): Promise<SnapshotResponse["snapshots"]> {
  const snapshots = await engine.snapshot(request);
  const names = replicas.map(({ name }) => name).filter((name) => (request.replica ?? name) === name);
  return snapshots.map(({ generation, index, sizeBytes, takenAtMs }, order) => ({
    replica: names[order] ?? "",
    generation,
    index: formatWalIndex(index),
    size: sizeBytes,
    created: new Date(takenAtMs).toISOString(),
  }));
}
