/** Carries a retention plan out, while the replica goes on. */
import { throwIfAborted } from "../abort.ts";
import { parseEntries, parseSideFiles } from "../layout/listing.ts";
import { readerGraceMs, readerLeases } from "../layout/reader-lease.ts";
import type { StoreReplicaReader } from "../layout/reader.ts";
import type { SnapshotEnd } from "../layout/restore-points.ts";
import type { Position } from "../position.ts";
import type { RetentionResult } from "../status.ts";
import type { LayoutWriter } from "./layout-writer.ts";
import { type Deletion, planRetention, type RetentionListing, type RetentionPlan } from "./retention-plan.ts";

/** Litestream's. */
export const retentionMsDefault: number = 24 * 3600_000;

/** Keys that are deleted before the replica may go on: as many as S3 takes in one request. */
const batchCountMax = 1000;

export interface RetentionOptions {
  readonly isDryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  /** What was needed so lately stays; 10 minutes where absent, and no more than the retention. */
  readonly graceMs?: number | undefined;
}

/** What retention needs of its replica. */
export interface RetentionParts {
  /** Of the replica. */
  readonly name: string;
  readonly reader: StoreReplicaReader;
  readonly writer: () => LayoutWriter;
  readonly retentionMs: number;
  readonly isDeleteFree: boolean;
  /** Where the replica stands, as far as is known without looking. */
  readonly position: () => Position | undefined;
  readonly sync: (signal: AbortSignal | undefined) => Promise<Position>;
  readonly snapshot: (signal: AbortSignal | undefined) => Promise<unknown>;
  /** Resolves when no object is changing its name: a listing could miss it. */
  readonly settled: () => Promise<void>;
  /** Does `work` while nothing else is written to the replica, but for a snapshot. */
  readonly whileNothingIsWritten: (work: () => Promise<void>) => Promise<void>;
}

export async function enforceRetention(parts: RetentionParts, options: RetentionOptions): Promise<RetentionResult> {
  const startedAtMs = performance.now();
  const { isDryRun, signal } = options;
  const live = isDryRun ? parts.position() : await parts.sync(signal);
  let { plan, expiredLeases } = await planNow(parts, options, live);
  if (plan.isSnapshotDue && !isDryRun) {
    await parts.snapshot(signal);
    ({ plan, expiredLeases } = await planNow(parts, options, parts.position() ?? live));
  }
  const deletions = parts.isDeleteFree ? [] : plan.generations.flatMap(({ groups }) => groups.flat());
  if (!isDryRun && !parts.isDeleteFree) await carryOut(parts, plan, expiredLeases, signal);
  const countOf = (kind: Deletion["kind"]): number => new Set(identities(deletions, kind)).size;
  return {
    replica: parts.name,
    deletedSnapshots: countOf("snapshot"),
    deletedWals: countOf("wal"),
    deletedBytes: deletions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    isDryRun,
    durationMs: performance.now() - startedAtMs,
    ...(isDryRun && {
      isSnapshotDue: plan.isSnapshotDue,
      objects: deletions.map(({ path, sizeBytes, reason }) => ({ path, sizeBytes, reason })),
    }),
  };
}

function identities(deletions: readonly Deletion[], kind: Deletion["kind"]): string[] {
  return deletions.filter((deletion) => deletion.kind === kind).map(({ path }) => path);
}

async function planNow(
  parts: RetentionParts,
  options: RetentionOptions,
  live: Position | undefined,
): Promise<{ plan: RetentionPlan; expiredLeases: readonly string[] }> {
  const { reader, retentionMs } = parts;
  await parts.settled();
  const entries = await reader.objects();
  const { snapshots, wals } = parseEntries(entries);
  const sideFiles = parseSideFiles(entries);
  const snapshotEnds: SnapshotEnd[] = [];
  for (const info of sideFiles.filter(({ kind }) => kind === "snapshot")) {
    throwIfAborted(options.signal, "the retention");
    const end = await reader.sideFiles.snapshotEnd(info);
    if (end !== undefined) snapshotEnds.push(end);
  }
  const nowMs = Date.now();
  const { held, expired } = readerLeases(entries, nowMs);
  const listing: RetentionListing = {
    snapshots,
    wals: wals.map(({ info }) => info),
    sideFiles,
    snapshotEnds,
    held,
  };
  const graceMs = options.graceMs ?? Math.min(readerGraceMs, retentionMs);
  return { plan: planRetention(listing, { nowMs, retentionMs, graceMs, live }), expiredLeases: expired };
}

async function carryOut(
  { reader, writer, whileNothingIsWritten }: RetentionParts,
  plan: RetentionPlan,
  expiredLeases: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { generation, isWhole, groups } of plan.generations) {
    const keyGroups = groups.map((group) => group.flatMap(keysOf));
    if (isWhole) {
      await whileNothingIsWritten(() => writer().deleteGeneration(generation, keyGroups, signal));
      continue;
    }
    for (const keys of keyGroups) {
      for (let start = 0; start < keys.length; start += batchCountMax) {
        throwIfAborted(signal, "the retention");
        const batch = keys.slice(start, start + batchCountMax);
        await whileNothingIsWritten(() => writer().deleteObjects(generation, batch, signal));
      }
    }
  }
  for (const key of expiredLeases) await reader.leases?.delete(key);
}

/** A WAL that was listed while it had its first form may have its last one by now. */
function keysOf({ kind, path }: Deletion): string[] {
  return kind === "wal" && path.endsWith(".wal") ? [path, `${path}.lz4`] : [path];
}
