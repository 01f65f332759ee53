/**
 * Restores a state of a replica: plans, applies, checks, publishes. A snapshot or an LTX file that proves damaged is
 * left out, and planned around where others hold the same; only `force` gives up anything that the replica claims to
 * hold.
 */
import { resolve } from "node:path";
import { throwIfAborted } from "../abort.ts";
import { isLitestreamError, LitestreamError } from "../errors.ts";
import type { WalInfo } from "../layout/objects.ts";
import { formatPosition, type Position, samePosition } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { checkIntegrity } from "../sqlite/integrity-check.ts";
import { walHeaderSizeBytes } from "../wal/header.ts";
import { type AnyPlan, chooseAnyPlan, describePlan } from "./any-plan.ts";
import { applyPlan } from "./apply.ts";
import { applyLtx } from "./apply-ltx.ts";
import { DamageKnowledge } from "./damage-knowledge.ts";
import { loadListing } from "./listing.ts";
import { OutputFile, requireFreeOutput } from "./output-file.ts";
import { ReaderHold } from "./reader-hold.ts";
import type { AnyTarget, RestoreOptions, RestorePointOptions, RestoreResult } from "./restore-options.ts";
import { walIdentity } from "./restore-plan.ts";
import { parseTimestamp, timestampOf } from "./timestamp.ts";

export type {
  LtxRestoreResult,
  RestoredDatabase,
  RestoreEvent,
  RestoreOptions,
  RestorePointOptions,
  RestoreResult,
  WalRestoreResult,
} from "./restore-options.ts";

/**
 * Restores a state of a replica into a new file: verified, fsynced, and only then at its path. A restore that fails or
 * is aborted leaves nothing behind.
 * @throws LitestreamError OUTPUT_EXISTS, OUTPUT_UNAVAILABLE, NO_BACKUP, NO_SUCH_POINT, BACKUP_INCOMPLETE,
 * BACKUP_DAMAGED, OBJECT_MISSING, REPLICA_UNAVAILABLE, FORMAT_INVALID for a timestamp that is none, ABORTED
 */
export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const { replica, signal, onProgress } = options;
  const outputPath = resolve(options.outputPath);
  requireFreeOutput(outputPath);
  throwIfAborted(signal, "the restore");
  const target = targetOf(options);
  const knowledge = new DamageKnowledge(options);
  await using hold = new ReaderHold(replica);

  for (;;) {
    const plan = await planWith(replica, target, knowledge);
    onProgress?.({ type: "plan", plan });
    if (plan.layout === "wal") hold.hold(plan.wal.generation, plan.wal.snapshot.index);
    const output = OutputFile.create(outputPath);
    const stopObserving = reportReads(replica, plan.storedBytes, onProgress);
    try {
      await knowledge.requireSoundSnapshot(plan);
      const result = await applyAny(options, plan, output, knowledge);
      throwIfAborted(signal, "the restore");
      await output.publish();
      return result;
    } catch (error) {
      output.discard();
      await knowledge.learn(error, plan, target);
    } finally {
      stopObserving();
    }
  }
}

/**
 * What `restore` would do with the same options: reads listings, and of objects no more than a few bytes, so damage may
 * still be found when they are read.
 * @throws LitestreamError as `restore`
 */
export function planRestore(options: RestorePointOptions): Promise<AnyPlan> {
  return planWith(options.replica, targetOf(options), new DamageKnowledge(options));
}

function targetOf({ generation, index, position, timestamp, txid }: RestorePointOptions): AnyTarget {
  if (position !== undefined) {
    return { generation: position.generation, index: position.index, until: position.offset };
  }
  return {
    ...(generation !== undefined && { generation }),
    ...(index !== undefined && { index }),
    ...(timestamp !== undefined && {
      timeNs: typeof timestamp === "string" ? parseTimestamp(timestamp) : timestampOf(timestamp),
    }),
    ...(txid !== undefined && { txid }),
  };
}

/** Listings of a replica that is being written: a WAL changes its name when it is compressed, and may be in neither. */
const listingsMax = 3;

async function planWith(replica: ReplicaReader, target: AnyTarget, knowledge: DamageKnowledge): Promise<AnyPlan> {
  let seen: readonly WalInfo[] = [];
  for (let count = 1; ; count++) {
    const newest = await loadListing(replica, target, knowledge.exclude);
    const listing = { ...newest, wals: withVanished(newest.wals, seen) };
    seen = listing.wals;
    try {
      // A listing that may be wrong is no reason to give anything up.
      return chooseAnyPlan(listing, target, {
        ...knowledge.planOptions,
        force: count === listingsMax && knowledge.force,
      });
    } catch (error) {
      if (count === listingsMax || !isLitestreamError(error, "BACKUP_INCOMPLETE")) throw error;
    }
  }
}

/** Each listing lacks another WAL while many are being compressed; what one of them had is there under another name. */
function withVanished(wals: readonly WalInfo[], seen: readonly WalInfo[]): readonly WalInfo[] {
  const listed = new Set(wals.map(({ generation, index }) => walIdentity(generation, index)));
  const vanished = seen.filter(({ generation, index }) => !listed.has(walIdentity(generation, index)));
  return vanished.length === 0 ? wals : [...wals, ...vanished];
}

async function applyAny(
  options: RestoreOptions,
  plan: AnyPlan,
  output: OutputFile,
  knowledge: DamageKnowledge,
): Promise<RestoreResult> {
  const { replica, signal, onProgress, parallelism, integrityCheck = "quick" } = options;
  const check = (): void => {
    if (integrityCheck === "none") return;
    // The check takes this thread; another one has the disk work meanwhile.
    output.beginFlush();
    onProgress?.({ type: "integrity-check", depth: integrityCheck });
    const result = checkIntegrity(output.temporaryPath, integrityCheck);
    if (result.outcome === "damaged") throw integrityError(replica, plan, result.problem);
    if (result.outcome === "unknown") knowledge.warn(`SQLite could not check the restored database: ${result.why}`);
  };
  const { lost } = plan;
  using _ahead = replica.readAhead?.(pathsInOrder(plan), parallelism);
  if (plan.layout === "ltx") {
    if (replica.ltx === undefined) throw new TypeError("a plan of LTX files comes from a replica that has them");
    const { pageSize, pageCount } = await applyLtx({
      location: replica.location,
      ltx: replica.ltx,
      plan: plan.ltx,
      output,
      signal,
      onProgress,
    });
    check();
    const sizeBytes = pageSize * pageCount;
    const { warnings } = knowledge;
    const fileCount = plan.ltx.files.length;
    return {
      layout: "ltx",
      txid: plan.ltx.state.txid,
      fileCount,
      droppedBytes: 0,
      pageSize,
      pageCount,
      sizeBytes,
      lost,
      warnings,
    };
  }
  const applied = await applyPlan({
    replica,
    plan: plan.wal,
    output,
    signal,
    parallelism,
    onProgress: (progress) => {
      if (progress.type !== "plan") onProgress?.(progress);
    },
  });
  const { position, pageSize, pageCount, droppedBytes } = applied;
  requirePosition(options.position, position, plan);
  check();
  return {
    layout: "wal",
    generation: plan.wal.generation,
    position,
    snapshotIndex: plan.wal.snapshot.index,
    walCount: plan.wal.wals.length,
    pageSize,
    pageCount,
    sizeBytes: pageCount * pageSize,
    droppedBytes,
    lost,
    warnings: knowledge.warnings,
  };
}

/** As they are read, one after the other. */
function pathsInOrder(plan: AnyPlan): string[] {
  if (plan.layout === "ltx") return plan.ltx.files.map(({ path }) => path);
  const inOrder = plan.walObjects.toSorted((a, b) => a.index - b.index || a.offset - b.offset);
  return inOrder.map(({ path }) => path);
}

/** Where a compressed WAL ends, and where its commits do, is known only when it was read. */
function requirePosition(wanted: Position | undefined, reached: Position, { lost }: AnyPlan): void {
  if (wanted === undefined || wanted.offset <= walHeaderSizeBytes || lost !== undefined) return;
  if (samePosition(wanted, reached)) return;
  throw new LitestreamError(
    "NO_SUCH_POINT",
    `no commit ends at ${formatPosition(wanted)}: the last one before it ends at ${formatPosition(reached)}`,
    {
      position: formatPosition(wanted),
      hint: "Wait until the replica has come that far, or leave the position out for the latest state.",
    },
  );
}

function integrityError(replica: ReplicaReader, plan: AnyPlan, problem: string): LitestreamError {
  return new LitestreamError(
    "BACKUP_DAMAGED",
    `what ${describePlan(plan)} in ${replica.location} gives is no sound database, by SQLite's check: ${problem}`,
    {
      path: replica.location,
      hint:
        "Restore an earlier state, or from another replica; if the database was damaged already when it was" +
        " replicated, -integrity-check none restores it as it was.",
    },
  );
}

function reportReads(replica: ReplicaReader, totalBytes: number, onProgress: RestoreOptions["onProgress"]): () => void {
  if (onProgress === undefined) return () => undefined;
  let readBytes = 0;
  const stop = replica.observeReads?.((bytes) => {
    // The last WAL may be read twice: where its last commit ends is known only at its end.
    readBytes = Math.min(readBytes + bytes, totalBytes);
    onProgress({ type: "read", readBytes, totalBytes });
  });
  return stop ?? ((): void => undefined);
}
