import { type LitestreamEvent, formatPosition, formatWalIndex, isDiskFull } from "@litestream/core";
import { formatDurationMs } from "../duration.ts";
import { describeError, withHint } from "../report.ts";
import { formatBytes } from "../size.ts";
import type { LogFields, LogRecord } from "./record.ts";

type Event<Type extends LitestreamEvent["type"]> = Extract<LitestreamEvent, { type: Type }>;

/** Of the events that come with each transaction: no line is made of them for nobody. */
export const frequentLevels = {
  sync: "trace",
  "replica-sync": "debug",
  "replica-operation": "trace",
} as const satisfies { readonly [Type in LitestreamEvent["type"]]?: LogRecord["level"] };

/** A record for each event of core: what matters to an operator at `info` and above, all else below. */
export function describeEvent(event: LitestreamEvent): LogRecord {
  const { db } = event;
  const say = (level: LogRecord["level"], message: string, fields: LogFields = {}): LogRecord => ({
    level,
    message,
    db,
    fields,
  });
  switch (event.type) {
    case "waiting":
      return say("info", `waiting for the database: ${event.reason}`, { reason: event.reason });
    case "opened":
      return say(
        "info",
        `opened, page size ${event.pageSize}, ` +
          (event.resumed ? "going on with the generation of the last run" : "in a new generation"),
        { page_size: event.pageSize, resumed: event.resumed },
      );
    case "generation":
      return say("info", `new generation ${event.generation}: ${event.reason}`, {
        generation: event.generation,
        reason: event.reason,
      });
    case "snapshot":
      return say("info", snapshotText(event), {
        replica: event.replica,
        generation: event.generation,
        index: formatWalIndex(event.index),
        bytes: event.bytes,
        size: event.sizeBytes,
        duration_ms: Math.round(event.durationMs),
      });
    case "progress": {
      const { operation, replica, doneBytes, totalBytes } = event;
      return say(
        "trace",
        `${operation} of replica ${replica}: ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
        {
          replica,
          operation,
          bytes: doneBytes,
          total: totalBytes,
        },
      );
    }
    case "sync":
      return say(frequentLevels.sync, `copied ${event.frames} frames up to ${formatPosition(event.position)}`, {
        position: formatPosition(event.position),
        frames: event.frames,
        bytes: event.bytes,
        duration_ms: rounded(event.durationMs),
      });
    case "checkpoint":
      return say("debug", checkpointText(event), {
        mode: event.mode,
        complete: event.complete,
        wal_frames: event.walFrames,
        backfilled_frames: event.backfilledFrames,
        duration_ms: rounded(event.durationMs),
        write_lock_ms: rounded(event.writeLockMs),
      });
    case "replica-sync":
      return say(
        frequentLevels[event.type],
        `replica ${event.replica} has ${formatPosition(event.position)}`,
        replicaSyncFields(event),
      );
    case "wal-compressed":
      return say(
        "debug",
        `WAL ${event.generation}/${formatWalIndex(event.index)} in replica ${event.replica} compressed to ` +
          formatBytes(event.sizeBytes),
        {
          replica: event.replica,
          generation: event.generation,
          index: formatWalIndex(event.index),
          size: event.sizeBytes,
        },
      );
    case "replica-operation": {
      const failed = event.error === undefined ? "" : ` failed: ${describeError(event.error)}`;
      return say(
        frequentLevels[event.type],
        `${event.operation} of replica ${event.replica}, ${formatBytes(event.bytes)}${failed}`,
        {
          replica: event.replica,
          type: event.replicaType,
          operation: event.operation,
          bytes: event.bytes,
          duration_ms: rounded(event.durationMs),
        },
      );
    }
    case "retention":
      return describeRetention(event);
    case "validation":
      return describeValidation(event);
    case "warning":
      return say("warn", withHint(event.message, event.hint));
    case "disk-full":
      return describeDiskFull(event);
    case "long-reader":
      return say(event.isOver ? "info" : "warn", longReaderText(event), {
        mark: event.mark,
        age_ms: Math.round(event.ageMs),
        wal_size: event.walSizeBytes,
        over: event.isOver,
      });
    case "error": {
      const where = event.replica === undefined ? "" : ` (replica ${event.replica})`;
      // That a disk is full is an event of its own, said once.
      return say(
        isDiskFull(event.error) ? "debug" : "error",
        `${event.operation}${where}: ${describeError(event.error)}`,
        {
          operation: event.operation,
          replica: event.replica,
          code: codeOf(event.error),
        },
      );
    }
    case "stopped":
      return say("debug", "closed");
    default:
      return say("debug", (event satisfies never as { type: string }).type);
  }
}

/** Said at `info` when a replica holds everything for the first time in a generation, or again after an error. */
export function describeUpToDate(event: Event<"replica-sync">): LogRecord {
  const message = `replica ${event.replica} is up to date at ${formatPosition(event.position)}`;
  return { level: "info", message, db: event.db, fields: replicaSyncFields(event) };
}

function replicaSyncFields(event: Event<"replica-sync">): LogFields {
  return {
    replica: event.replica,
    position: formatPosition(event.position),
    bytes: event.bytes,
    duration_ms: rounded(event.durationMs),
  };
}

function snapshotText(event: Event<"snapshot">): string {
  return (
    `snapshot ${event.generation}/${formatWalIndex(event.index)} in replica ${event.replica}: ` +
    `${formatBytes(event.bytes)} stored as ${formatBytes(event.sizeBytes)} in ${formatDurationMs(event.durationMs)}`
  );
}

function checkpointText(event: Event<"checkpoint">): string {
  const { mode, backfilledFrames, walFrames } = event;
  return (
    `${mode} checkpoint moved ${backfilledFrames} of ${walFrames} frames in ${formatDurationMs(event.durationMs)}` +
    `, writers were kept out for ${rounded(event.writeLockMs)} ms`
  );
}

function describeDiskFull({ db, replica, isFull, error }: Event<"disk-full">): LogRecord {
  const disk = `the disk of ${replica === undefined ? "the meta directory" : `replica ${replica}`}`;
  const message = isFull
    ? `${disk} is full; it goes on by itself once there is space: ${describeError(error)}`
    : `${disk} has space again`;
  return { level: isFull ? "error" : "info", message, db, fields: { replica, full: isFull } };
}

function longReaderText({ isOver, mark, ageMs, walSizeBytes }: Event<"long-reader">): string {
  const age = formatDurationMs(ageMs);
  if (isOver) return `the transaction that kept the WAL from being restarted has ended, after ${age}`;
  return (
    `a transaction that began ${age} ago or earlier, at frame ${mark}, keeps the WAL from being restarted; ` +
    `it has ${formatBytes(walSizeBytes)} and grows. End that transaction.`
  );
}

function describeRetention({ db, replica, ...event }: Event<"retention">): LogRecord {
  const { deletedSnapshots, deletedWals, deletedBytes, isDryRun, durationMs } = event;
  return {
    level: deletedSnapshots + deletedWals === 0 ? "debug" : "info",
    message:
      `retention ${isDryRun ? "would delete" : "deleted"} ${deletedSnapshots} snapshots and` +
      ` ${deletedWals} WAL objects (${formatBytes(deletedBytes)}) of replica ${replica}`,
    db,
    fields: {
      replica,
      snapshots: deletedSnapshots,
      wal_objects: deletedWals,
      bytes: deletedBytes,
      dry_run: isDryRun,
      duration_ms: rounded(durationMs),
    },
  };
}

function describeValidation({ db, replica, status, ...event }: Event<"validation">): LogRecord {
  const position = event.position === undefined ? undefined : formatPosition(event.position);
  const at = position === undefined ? "" : ` at ${position}`;
  const say = (level: LogRecord["level"], what: string): LogRecord => ({
    level,
    message: `validation of replica ${replica}${what}`,
    db,
    fields: { replica, status, position, duration_ms: rounded(event.durationMs) },
  });
  if (status === "ok") return say("info", `: ok${at}, in ${formatDurationMs(event.durationMs)}`);
  if (status === "error") return say("error", `${at}: ${event.message ?? "it could not be made"}`);
  const pages = event.differences.map(({ pgno, owner }) => (owner === undefined ? `${pgno}` : `${pgno} (${owner})`));
  const kept = event.keptAt === undefined ? "" : `; both databases are kept in ${event.keptAt}`;
  return say("error", `${at}: the replica differs from the database in pages ${pages.join(", ")}${kept}`);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
