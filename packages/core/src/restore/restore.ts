/**
 * Restores a state of a replica: plans, applies, checks, publishes. A snapshot or an LTX file that proves damaged is
 * left out, and planned around where others hold the same; only `force` gives up anything that the replica claims to
 * hold.
 */
import { resolve } from "node:path";
import { throwIfAborted } from "../abort.ts";
import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { WalInfo } from "../layout/objects.ts";
import { isNotedHash } from "../layout/restore-points.ts";
import type { Txid } from "../ltx/txid.ts";
import type { Position, WalIndex } from "../position.ts";
import { formatPosition, parsePosition, samePosition } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { checkIntegrity } from "../sqlite/integrity-check.ts";
import { scanWal } from "../wal/scan.ts";
import { walHeaderSizeBytes } from "../wal/header.ts";
import { applyPlan, type RestoreProgress as WalProgress } from "./apply.ts";
import { applyLtx, type LtxProgress } from "./apply-ltx.ts";
import type { FullListing } from "./listing.ts";
import { loadListing } from "./listing.ts";
import { OutputFile, requireFreeOutput } from "./output-file.ts";
import { type AnyPlan, chooseAnyPlan, describePlan } from "./any-plan.ts";
import { ReaderHold } from "./reader-hold.ts";
import { type PlanOptions, type RestorePlan, type RestoreTarget, walIdentity } from "./plan.ts";
import { parseTimestamp, timestampOf } from "./timestamp.ts";

/** Which state to restore: the latest where nothing is given. */
export interface RestorePointOptions {
  readonly replica: ReplicaReader;
  /** The one updated last where absent. */
  readonly generation?: Generation | undefined;
  /** Up to the end of this WAL. */
  readonly index?: WalIndex | undefined;
  /**
   * Exactly the state after the commit that ends here; in place of a generation and an index. At offset 0, or within
   * the WAL's header, the state before that WAL.
   */
  readonly position?: Position | undefined;
  /** The last state in the replica at this time: a `Date`, or RFC 3339 with up to nine digits of a second. */
  readonly timestamp?: Date | string | undefined;
  /** Up to this transaction, in a replica by Litestream 0.5. */
  readonly txid?: Txid | undefined;
  /**
   * Takes the newest state that can be restored where the one asked for cannot. `RestoreResult.lost` says what that
   * costs.
   */
  readonly force?: boolean | undefined;
  /** How the user of this call forces, for hints: `-force` where absent. */
  readonly forceHint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RestoreOptions extends RestorePointOptions {
  /** Where the database is to appear. Nothing may be there, nor a `-wal`, `-shm` or `-journal` beside it. */
  readonly outputPath: string;
  /**
   * Lets SQLite check the result before it appears: its structure, or also that indexes agree with their tables.
   * `quick` where absent.
   */
  readonly integrityCheck?: "quick" | "full" | "none" | undefined;
  /** How many threads may be at work; the number of cores, at most 4, where absent. */
  readonly parallelism?: number | undefined;
  readonly onProgress?: ((event: RestoreEvent) => void) | undefined;
}

/** How far a restore has come, and what it met. */
export type RestoreEvent =
  /** What is going to be applied. Comes again where an object proves damaged, and another plan is made. */
  | { readonly type: "plan"; readonly plan: AnyPlan }
  | Exclude<WalProgress, { readonly type: "plan" }>
  | LtxProgress
  /** Bytes read so far, as stored; `totalBytes` is what the plan has to read. */
  | { readonly type: "read"; readonly readBytes: number; readonly totalBytes: number }
  | { readonly type: "integrity-check"; readonly depth: "quick" | "full" }
  /** An object is damaged, and others held the same; or the result could not be checked. */
  | { readonly type: "warning"; readonly message: string };

/** What was restored. */
export type RestoreResult = WalRestoreResult | LtxRestoreResult;

export interface RestoredDatabase {
  readonly pageSize: number;
  readonly pageCount: number;
  readonly sizeBytes: number;
  /** With `force`: what was left out of what was asked for. */
  readonly lost: string | undefined;
  /** What a `warning` event said. */
  readonly warnings: readonly string[];
}

/** Out of snapshots and WALs: a replica of ours, or of Litestream 0.3. */
export interface WalRestoreResult extends RestoredDatabase {
  readonly layout: "wal";
  readonly generation: Generation;
  /** The end of the last commit in the restored database; offset 0 where it is the snapshot alone. */
  readonly position: Position;
  readonly snapshotIndex: WalIndex;
  readonly walCount: number;
  /**
   * Bytes at the end of the last WAL that were left out because they make no whole transaction: an append that was
   * interrupted. Worth a warning when above 0.
   */
  readonly droppedBytes: number;
}

/** Out of LTX files: a replica of Litestream 0.5. */
export interface LtxRestoreResult extends RestoredDatabase {
  readonly layout: "ltx";
  readonly txid: Txid;
  readonly fileCount: number;
  readonly droppedBytes: 0;
}

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

export interface AnyTarget extends RestoreTarget {
  readonly txid?: Txid;
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
    onProgress?.({ type: "integrity-check", depth: integrityCheck });
    const result = checkIntegrity(output.temporaryPath, integrityCheck);
    if (result.outcome === "damaged") throw integrityError(replica, plan, result.problem);
    if (result.outcome === "unknown") knowledge.warn(`SQLite could not check the restored database: ${result.why}`);
  };
  const { lost } = plan;
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

/**
 * Objects in a row that may vanish while they are read: a replica that is being written deletes what it no longer
 * needs.
 */
const vanishedMax = 3;

/** What is known to be damaged, and what follows from that. */
class DamageKnowledge {
  readonly exclude: Set<string> = new Set();
  readonly warnings: string[] = [];
  readonly force: boolean;
  readonly #cuts = new Map<string, number>();
  readonly #options: RestorePointOptions & Pick<RestoreOptions, "onProgress">;
  /** Damage that was planned around, and is a warning once that has worked. */
  #firstError: LitestreamError | undefined;
  #vanished = 0;

  constructor(options: RestorePointOptions & Pick<RestoreOptions, "onProgress">) {
    this.#options = options;
    this.force = options.force ?? false;
  }

  get planOptions(): PlanOptions {
    const { forceHint } = this.#options;
    return { exclude: this.exclude, cuts: this.#cuts, ...(forceHint !== undefined && { forceHint }) };
  }

  warn(message: string): void {
    this.warnings.push(message);
    this.#options.onProgress?.({ type: "warning", message });
  }

  /** Compares the snapshot with what we noted when it was written: another one in its place is sound in itself. */
  async requireSoundSnapshot(plan: AnyPlan): Promise<void> {
    if (plan.layout !== "wal" || plan.wal.snapshotEnd === undefined) return;
    const { replica } = this.#options;
    const hash = await replica.sideFiles?.snapshotHash(plan.wal.snapshot);
    if (hash === undefined || isNotedHash(plan.wal.snapshotEnd, hash)) return;
    const path = `${replica.location}/${plan.wal.snapshot.path}`;
    throw new LitestreamError("BACKUP_DAMAGED", `damaged snapshot: ${path}: its side file says another checksum`, {
      path,
      hint: "Restore from another replica, or put an undamaged copy of this object in its place.",
    });
  }

  /**
   * Returns where another plan can be made that loses nothing, or where it is forced.
   * @throws what it was given else, with a hint that names what can be restored
   */
  async learn(error: unknown, plan: AnyPlan, target: AnyTarget): Promise<void> {
    if (!isLitestreamError(error, "BACKUP_DAMAGED", "FORMAT_INVALID", "OBJECT_CHANGED", "OBJECT_MISSING")) throw error;
    const hasVanished = error.code === "OBJECT_MISSING" || error.code === "OBJECT_CHANGED";
    if (hasVanished && this.#vanished++ < vanishedMax) return;
    const { replica } = this.#options;
    const objects = damagedObjects(error, plan, replica.location);
    if (objects === undefined || objects.paths.every((path) => this.exclude.has(path))) throw error;
    for (const path of objects.paths) this.exclude.add(path);
    if (objects.wal !== undefined && plan.layout === "wal") {
      const isOtherWal = error.position !== undefined && (error.offset ?? Infinity) < walHeaderSizeBytes;
      const sizeBytes = isOtherWal ? 0 : await goodBytes(replica, plan.wal, objects.wal);
      if (sizeBytes > 0) this.#cuts.set(walIdentity(plan.wal.generation, objects.wal), sizeBytes);
    }
    this.#firstError ??= error;
    const listing = await loadListing(replica, target, this.exclude);
    const other = this.#tryPlan(listing, target, false);
    if (other !== undefined) {
      this.warn(`${errorMessage(error)}; it is left out, and ${describePlan(other)} gives the same without it`);
      return;
    }
    const forced = this.#tryPlan(listing, target, true);
    if (forced !== undefined && this.force) {
      this.warn(errorMessage(error));
      return;
    }
    throw withHint(
      this.#firstError,
      forced === undefined
        ? "Nothing else there can be restored: use another replica, or put an undamaged copy of the object in its" +
            " place."
        : `Use another replica, put an undamaged copy of the object in its place, or take the newest state that can` +
            ` be restored, ${describePlan(forced)}, with: ${this.#options.forceHint ?? "-force"}`,
    );
  }

  #tryPlan(listing: FullListing, target: AnyTarget, force: boolean): AnyPlan | undefined {
    try {
      return chooseAnyPlan(listing, target, { ...this.planOptions, force });
    } catch (error) {
      if (!isLitestreamError(error)) throw error;
      return undefined;
    }
  }
}

interface DamagedObjects {
  /** Keys. */
  readonly paths: readonly string[];
  readonly wal: WalIndex | undefined;
}

/** Which object of the plan an error is about; undefined where it is about none, or about all. */
function damagedObjects(error: LitestreamError, plan: AnyPlan, location: string): DamagedObjects | undefined {
  const isAbout = (path: string): boolean => error.path === `${location}/${path}`;
  if (plan.layout === "ltx") {
    const files = plan.ltx.files.filter(({ path }) => isAbout(path));
    return files.length === 0 ? undefined : { paths: files.map(({ path }) => path), wal: undefined };
  }
  const { snapshot, generation, wals } = plan.wal;
  if (isAbout(snapshot.path)) return { paths: [snapshot.path], wal: undefined };
  const stored = plan.walObjects.filter(({ index }) => wals.includes(index));
  let index = stored.find(({ path }) => isAbout(path))?.index;
  if (index === undefined && error.position !== undefined) {
    const position = parsePosition(error.position);
    if (position.generation === generation) index = wals.find((other) => other === position.index);
  }
  if (index === undefined || error.path === location) return undefined;
  return { paths: stored.filter((info) => info.index === index).map(({ path }) => path), wal: index };
}

/** How much of a damaged WAL is right: up to its last commit before the damage. */
async function goodBytes(replica: ReplicaReader, plan: RestorePlan, index: WalIndex): Promise<number> {
  async function* untilDamage(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* replica.walReader(plan.generation, index);
    } catch (error) {
      if (!isLitestreamError(error, "BACKUP_DAMAGED", "OBJECT_MISSING")) throw error;
    }
  }
  try {
    const { commit } = await scanWal(untilDamage(), "");
    return commit.offset > walHeaderSizeBytes ? commit.offset : 0;
  } catch (error) {
    if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
    return 0;
  }
}

function withHint(error: LitestreamError, hint: string): LitestreamError {
  const { code, message, path, position, offset, cause } = error;
  return new LitestreamError(code, message, {
    ...(path !== undefined && { path }),
    ...(position !== undefined && { position }),
    ...(offset !== undefined && { offset }),
    hint,
    cause,
  });
}
