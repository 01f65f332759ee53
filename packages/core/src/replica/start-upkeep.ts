import type { EmitEvent } from "../events.ts";
import type { CommonReplicaOptions } from "../replica-options.ts";
import type { RetentionOptions } from "./retention.ts";
import type { SnapshotSchedule } from "./snapshot-schedule.ts";
import { Upkeep } from "./upkeep.ts";

/** Litestream's. */
const retentionCheckIntervalMsDefault = 3600_000;
/** When what failed is tried again, where its interval is longer. */
const retryAfterMsMax = 60_000;

/** What is done from time to time. */
interface Kept {
  readonly name: string;
  snapshot(signal: AbortSignal): Promise<unknown>;
  validate(signal: AbortSignal): Promise<unknown>;
  enforceRetention(options: RetentionOptions): Promise<unknown>;
}

/**
 * Begins what a replica does by itself from time to time. The first time comes anywhere within the interval: so it
 * comes as often as it should also where a process never lives that long, and not for all databases at once.
 */
export function startUpkeep(
  replica: Kept,
  schedule: SnapshotSchedule,
  options: CommonReplicaOptions,
  emit: EmitEvent,
): Upkeep {
  const upkeep = new Upkeep(replica.name, emit);
  const every = (operation: string, intervalMs: number, run: (signal: AbortSignal) => Promise<unknown>): void => {
    if (intervalMs <= 0) return;
    upkeep.start({
      operation,
      firstAfterMs: Math.random() * intervalMs,
      retryAfterMs: Math.min(intervalMs, retryAfterMsMax),
      run: async (signal) => {
        await run(signal);
        return intervalMs;
      },
    });
  };
  const { retentionCheckIntervalMs = retentionCheckIntervalMsDefault, validationIntervalMs = 0 } = options;
  every("retention", retentionCheckIntervalMs, (signal) => replica.enforceRetention({ isDryRun: false, signal }));
  every("validation", validationIntervalMs, (signal) => replica.validate(signal));
  if (!schedule.isOff) {
    const look = upkeep.start({
      operation: "snapshot",
      firstAfterMs: Infinity,
      retryAfterMs: retryAfterMsMax,
      run: async (signal) => {
        if (schedule.dueAfterMs(Date.now()) === 0) await replica.snapshot(signal);
        return schedule.dueAfterMs(Date.now());
      },
    });
    schedule.onDueSooner(look);
  }
  return upkeep;
}
