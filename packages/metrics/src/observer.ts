import type { LitestreamEvent } from "@litestream/core";
import { Counter, Gauge, type Registry } from "prom-client";
import { metricNames } from "./names.ts";

/** Registers the metrics in `registry`, and returns the function that feeds them: give it to core as `onEvent`. */
export function metricsObserver(registry: Registry): (event: LitestreamEvent) => void {
  const registers = [registry];
  const ofDb = ["db"] as const;
  const ofMode = ["db", "mode"] as const;
  const ofReplica = ["db", "name"] as const;
  const totalWalBytes = new Counter({
    name: metricNames.totalWalBytes,
    help: "Bytes copied from the WAL to the shadow WAL",
    labelNames: ofDb,
    registers,
  });
  const shadowWalIndex = new Gauge({
    name: metricNames.shadowWalIndex,
    help: "Index of the current shadow WAL file",
    labelNames: ofDb,
    registers,
  });
  const shadowWalSize = new Gauge({
    name: metricNames.shadowWalSize,
    help: "Bytes in the current shadow WAL file",
    labelNames: ofDb,
    registers,
  });
  const syncCount = new Counter({
    name: metricNames.syncCount,
    help: "Times that frames were copied to the shadow WAL",
    labelNames: ofDb,
    registers,
  });
  const syncErrorCount = new Counter({
    name: metricNames.syncErrorCount,
    help: "Operations on the database or a replica that failed",
    labelNames: ofDb,
    registers,
  });
  const syncSeconds = new Counter({
    name: metricNames.syncSeconds,
    help: "Seconds spent copying frames to the shadow WAL",
    labelNames: ofDb,
    registers,
  });
  const checkpointCount = new Counter({
    name: metricNames.checkpointCount,
    help: "Checkpoints that were run",
    labelNames: ofMode,
    registers,
  });
  const checkpointSeconds = new Counter({
    name: metricNames.checkpointSeconds,
    help: "Seconds spent in checkpoints",
    labelNames: ofMode,
    registers,
  });
  const replicaWalBytes = new Counter({
    name: metricNames.replicaWalBytes,
    help: "WAL bytes made durable in the replica",
    labelNames: ofReplica,
    registers,
  });
  const replicaWalIndex = new Gauge({
    name: metricNames.replicaWalIndex,
    help: "Index of the replica's newest durable position",
    labelNames: ofReplica,
    registers,
  });
  const replicaWalOffset = new Gauge({
    name: metricNames.replicaWalOffset,
    help: "Offset of the replica's newest durable position",
    labelNames: ofReplica,
    registers,
  });

  return (event) => {
    const { db } = event;
    switch (event.type) {
      case "sync":
        syncCount.inc({ db });
        syncSeconds.inc({ db }, event.durationMs / 1000);
        totalWalBytes.inc({ db }, event.bytes);
        shadowWalIndex.set({ db }, event.position.index);
        shadowWalSize.set({ db }, event.position.offset);
        return;
      case "checkpoint":
        checkpointCount.inc({ db, mode: event.mode });
        checkpointSeconds.inc({ db, mode: event.mode }, event.durationMs / 1000);
        return;
      case "replica-sync": {
        const labels = { db, name: event.replica };
        replicaWalBytes.inc(labels, event.bytes);
        replicaWalIndex.set(labels, event.position.index);
        replicaWalOffset.set(labels, event.position.offset);
        return;
      }
      case "error":
        syncErrorCount.inc({ db });
        return;
      default:
        return;
    }
  };
}
