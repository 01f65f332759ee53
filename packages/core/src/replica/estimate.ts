/**
 * How many requests a replica in an object store makes in a month, and what that costs, from how it is configured and
 * how the database is used. Pure; the counts are those of segments-writer.ts, writer-lease.ts and retention.
 */
import { writerLeaseMs } from "./writer-lease.ts";

/** A month as bills have it, in hours. */
const hoursPerMonth = 730;
const msPerHour = 3_600_000;
/** Keys of one page of a listing, and of one request to delete. */
const keysPerRequest = 1000;
const partSizeBytes = 5 * 1024 * 1024;
const gigabyte = 1024 ** 3;

export interface UsageToEstimate {
  /** How long the database is written, of each day; 24 when absent. */
  readonly writtenHoursPerDay?: number | undefined;
  /** Transactions a second while it is written; what comes within a sync interval shares a request. 1 when absent. */
  readonly transactionsPerSecond?: number | undefined;
  /** Of the database file. */
  readonly dbSizeBytes: number;
  /** Of WAL that a transaction writes; 16384 when absent. */
  readonly walBytesPerTransaction?: number | undefined;
  /** What compression leaves: 0 to 1; 0.5 when absent. */
  readonly compressedFraction?: number | undefined;
}

/** Those of a replica, and of its database; defaults as there. */
export interface SettingsToEstimate {
  readonly syncIntervalMs?: number | undefined;
  readonly checkpointIntervalMs?: number | undefined;
  readonly snapshotIntervalMs?: number | undefined;
  readonly retentionMs?: number | undefined;
  readonly retentionCheckIntervalMs?: number | undefined;
}

/** In US dollars; those of Amazon S3 Standard in us-east-1 when absent. Within a region, moving data costs nothing. */
export interface StorePrices {
  /** Of a thousand requests that write or list. */
  readonly per1000Writes: number;
  /** Of a thousand requests that read. */
  readonly per1000Reads: number;
  readonly perGigabyteMonth: number;
}

export const amazonPrices: StorePrices = { per1000Writes: 0.005, per1000Reads: 0.0004, perGigabyteMonth: 0.023 };

export interface MonthlyEstimate {
  /** Uploads: segments, side files, snapshots with their parts, the lease. */
  readonly puts: number;
  readonly lists: number;
  readonly gets: number;
  /** Which cost nothing. */
  readonly deletes: number;
  /** Stored at the same time, once the retention is full. */
  readonly storedBytes: number;
  readonly uploadedBytes: number;
  readonly costDollars: number;
}

export function estimateMonth(
  usage: UsageToEstimate,
  settings: SettingsToEstimate = {},
  prices: StorePrices = amazonPrices,
): MonthlyEstimate {
  const {
    writtenHoursPerDay = 24,
    transactionsPerSecond = 1,
    dbSizeBytes,
    walBytesPerTransaction = 16_384,
    compressedFraction = 0.5,
  } = usage;
  const {
    syncIntervalMs = 1000,
    checkpointIntervalMs = 60_000,
    snapshotIntervalMs = 0,
    retentionMs = 24 * msPerHour,
    retentionCheckIntervalMs = msPerHour,
  } = settings;
  const writtenMs = ((hoursPerMonth * writtenHoursPerDay) / 24) * msPerHour;
  const transactions = (writtenMs / 1000) * transactionsPerSecond;

  // Each sync that has something to write is one segment; each WAL has a side file once another one follows.
  const segments = Math.min(transactions, writtenMs / Math.max(1, syncIntervalMs));
  const wals = checkpointIntervalMs === 0 ? 0 : Math.min(segments, writtenMs / checkpointIntervalMs);
  // Renewed when half of its time is over, and only to write.
  const renewals = Math.min(segments, writtenMs / (writerLeaseMs / 2));
  // Retention takes one when none lies within it.
  const snapshotEveryMs = snapshotIntervalMs > 0 ? Math.min(snapshotIntervalMs, retentionMs) : retentionMs;
  const snapshots = Math.max(1, (hoursPerMonth * msPerHour) / Math.max(1, snapshotEveryMs));
  const snapshotBytes = dbSizeBytes * compressedFraction;
  const parts = Math.ceil(snapshotBytes / partSizeBytes);
  // Begun, its parts, completed, or one request for all; and its side file.
  const putsPerSnapshot = 1 + (parts > 1 ? parts + 2 : 1);

  const walBytes = transactions * walBytesPerTransaction * compressedFraction;
  const keptPart = Math.min(1, retentionMs / (hoursPerMonth * msPerHour));
  const keptSnapshots = Math.ceil(retentionMs / Math.max(1, snapshotEveryMs)) + 1;
  const keptObjects = (segments + wals) * keptPart + 2 * keptSnapshots;
  const checks = retentionCheckIntervalMs === 0 ? 0 : (hoursPerMonth * msPerHour) / retentionCheckIntervalMs;

  const puts = segments + wals + renewals + snapshots * putsPerSnapshot;
  const lists = checks * Math.max(1, Math.ceil(keptObjects / keysPerRequest)) + snapshots;
  const gets = parts > 1 ? snapshots : 0;
  const storedBytes = walBytes * keptPart + snapshotBytes * keptSnapshots;
  const cost =
    ((puts + lists) / 1000) * prices.per1000Writes +
    (gets / 1000) * prices.per1000Reads +
    (storedBytes / gigabyte) * prices.perGigabyteMonth;
  return {
    puts: Math.round(puts),
    lists: Math.round(lists),
    gets: Math.round(gets),
    deletes: Math.round(Math.max((segments + wals) / keysPerRequest, Math.min(checks, segments))),
    storedBytes: Math.round(storedBytes),
    uploadedBytes: Math.round(walBytes + snapshots * snapshotBytes),
    costDollars: Math.round(cost * 100) / 100,
  };
}
