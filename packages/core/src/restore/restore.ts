import { resolve } from "node:path";
import { throwIfAborted } from "../abort.ts";
import { isLitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { Position, WalIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { applyPlan, type RestoreProgress } from "./apply.ts";
import { OutputFile, requireFreeOutput } from "./output-file.ts";
import { planRestore, type RestorePlan } from "./plan.ts";

export type { RestoreProgress };

export interface RestoreOptions {
  readonly replica: ReplicaReader;
  /** Where the database is to appear. Nothing may be there, nor a `-wal`, `-shm` or `-journal` beside it. */
  readonly outputPath: string;
  /** The one updated last where absent. */
  readonly generation?: Generation | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined;
}

export interface RestoreResult {
  readonly generation: Generation;
  /** The end of the last commit in the restored database; offset 0 where it is the snapshot alone. */
  readonly position: Position;
  readonly snapshotIndex: WalIndex;
  readonly walCount: number;
  readonly pageSize: number;
  readonly pageCount: number;
  readonly sizeBytes: number;
  /**
   * Bytes at the end of the last WAL that were left out because they make no whole transaction: an append that was
   * interrupted. Worth a warning when above 0.
   */
  readonly droppedBytes: number;
}

/**
 * Restores the latest state of a replica into a new file: verified, fsynced, and only then at its path. A restore that
 * fails or is aborted leaves nothing behind.
 * @throws LitestreamError OUTPUT_EXISTS, OUTPUT_UNAVAILABLE, NO_BACKUP, BACKUP_INCOMPLETE, BACKUP_DAMAGED,
 * OBJECT_MISSING, REPLICA_UNAVAILABLE, ABORTED
 */
export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const { replica, signal, onProgress } = options;
  const outputPath = resolve(options.outputPath);
  requireFreeOutput(outputPath);
  throwIfAborted(signal, "the restore");
  const plan = await planFromListing(replica, options.generation);
  onProgress?.({ type: "plan", plan });

  const output = OutputFile.create(outputPath);
  try {
    const { position, pageSize, pageCount, droppedBytes } = await applyPlan({
      replica,
      plan,
      output,
      signal,
      onProgress,
    });
    throwIfAborted(signal, "the restore");
    output.publish();
    return {
      generation: plan.generation,
      position,
      snapshotIndex: plan.snapshot.index,
      walCount: plan.wals.length,
      pageSize,
      pageCount,
      sizeBytes: pageCount * pageSize,
      droppedBytes,
    };
  } catch (error) {
    output.discard();
    throw error;
  }
}

/** Listings of a replica that is being written: a WAL changes its name when it is compressed, and may be in neither. */
const listingsMax = 3;

async function planFromListing(replica: ReplicaReader, generation: Generation | undefined): Promise<RestorePlan> {
  for (let listing = 1; ; listing++) {
    const snapshots = await replica.snapshots();
    const wals = await replica.wals();
    try {
      return planRestore(
        { location: replica.location, snapshots, wals },
        generation === undefined ? {} : { generation },
      );
    } catch (error) {
      if (listing === listingsMax || !isLitestreamError(error, "BACKUP_INCOMPLETE")) throw error;
    }
  }
}
