import {
  type DatabaseStatus,
  generationReasons,
  type ReplicaStatus,
  type RestorableGeneration,
} from "@litestream/core";
import type { DatabaseTally } from "./database-tally.ts";
import type { MetricKey } from "./names.ts";

/** How our checkpoints are called in Litestream's metrics: a forced one does what its RESTART does. */
const checkpointModes = { PASSIVE: "PASSIVE", FORCED: "RESTART" } as const;

export type Labels = Readonly<Record<string, string>>;
export type SetSample = (key: MetricKey, labels: Labels, value: number) => void;

/**
 * The samples of one database: from its events, and from how it stands at the moment of the scrape.
 * @param status undefined where nobody answers; then the last that is known counts, and lag goes on growing
 */
export function sampleDatabase(
  tally: DatabaseTally,
  status: DatabaseStatus | undefined,
  nowMs: number,
  set: SetSample,
): void {
  const labels = { db: tally.path };
  const setKnown = (key: MetricKey, value: number | undefined): void => {
    if (value !== undefined) set(key, labels, value);
  };
  setKnown("dbSize", status?.dbSizeBytes);
  setKnown("walSize", status?.walSizeBytes);
  set("totalWalBytes", labels, tally.totalWalBytes);
  const captured = status?.position ?? tally.captured;
  setKnown("shadowWalIndex", captured?.index);
  setKnown("shadowWalSize", captured?.offset);
  set("syncCount", labels, status?.syncCount ?? tally.syncCount);
  set("syncErrorCount", labels, tally.syncErrorCount);
  set("syncSeconds", labels, tally.syncSeconds);
  for (const mode of ["PASSIVE", "FORCED"] as const) {
    const ofMode = { ...labels, mode: checkpointModes[mode] };
    const { count, errorCount, seconds } = tally.checkpoints[mode];
    set("checkpointCount", ofMode, count);
    set("checkpointErrorCount", ofMode, errorCount);
    set("checkpointSeconds", ofMode, seconds);
  }
  set("diskFull", labels, tally.isDiskFull ? 1 : 0);
  set("longReaderSeconds", labels, tally.longReaderMs(nowMs) / 1000);
  for (const reason of generationReasons) {
    set("generationTotal", { ...labels, reason }, tally.generations.get(reason) ?? 0);
  }
  const replicas = new Map<string, ReplicaStatus | undefined>(status?.replicas.map((found) => [found.name, found]));
  for (const name of tally.replicas.keys()) if (!replicas.has(name)) replicas.set(name, undefined);
  for (const [name, found] of replicas) sampleReplica(tally, name, found, nowMs, set);
}

function sampleReplica(
  tally: DatabaseTally,
  name: string,
  status: ReplicaStatus | undefined,
  nowMs: number,
  set: SetSample,
): void {
  const labels = { db: tally.path, name };
  const { walBytes, errorCount, validations, lastValidMs, ...last } = tally.replica(name);
  set("replicaWalBytes", labels, walBytes);
  set("replicaSyncErrorTotal", labels, errorCount);
  const position = status?.position ?? last.position;
  if (position !== undefined) {
    set("replicaWalIndex", labels, position.index);
    set("replicaWalOffset", labels, position.offset);
  }
  for (const [outcome, count] of Object.entries(validations)) {
    set("replicaValidationTotal", { ...labels, status: outcome }, count);
  }
  set("replicaValidationAge", labels, Math.max(0, nowMs - lastValidMs) / 1000);
  set("replicaLagSeconds", labels, lagMsOf(tally, name, status, nowMs) / 1000);
  if (status?.lagBytes !== undefined) set("replicaLagBytes", labels, status.lagBytes);
  const asOfMs = status?.asOfMs ?? last.asOfMs;
  if (asOfMs !== undefined) set("replicaLastSyncTimestamp", labels, asOfMs / 1000);
}

/** Never unknown, or no alert would go off: a replica of which nothing was heard lags since it is observed. */
export function lagMsOf(tally: DatabaseTally, name: string, status: ReplicaStatus | undefined, nowMs: number): number {
  return status?.lagMs ?? tally.lagMs(name, nowMs);
}

/** @param generations from old to new, as they were when the replica was last listed */
export function sampleRestorable(
  path: string,
  { name, asOfMs }: ReplicaStatus,
  generations: readonly RestorableGeneration[],
  set: SetSample,
): void {
  const labels = { db: path, name };
  set(
    "replicaSnapshotTotal",
    labels,
    generations.reduce((sum, { snapshots }) => sum + snapshots.length, 0),
  );
  const windows = generations.flatMap((generation) => generation.windows);
  if (windows.length === 0) return;
  const fromMs = Math.min(...windows.map((window) => window.fromMs));
  // The newest one has gone on since.
  const toMs = Math.max(asOfMs ?? 0, ...windows.map((window) => window.toMs));
  set("replicaRestorableFrom", labels, fromMs / 1000);
  set("replicaRestorableWindow", labels, (toMs - fromMs) / 1000);
}
