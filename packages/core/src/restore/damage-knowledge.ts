import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import { isNotedHash } from "../layout/restore-points.ts";
import { parsePosition, type WalIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { walHeaderSizeBytes } from "../wal/header.ts";
import { scanWal } from "../wal/scan.ts";
import { type AnyPlan, chooseAnyPlan, describePlan } from "./any-plan.ts";
import { type FullListing, loadListing } from "./listing.ts";
import type { AnyTarget, RestoreOptions, RestorePointOptions } from "./restore-options.ts";
import { type PlanOptions, type RestorePlan, walIdentity } from "./restore-plan.ts";

/**
 * Objects in a row that may vanish while they are read: a replica that is being written deletes what it no longer
 * needs.
 */
const vanishedMax = 3;

/** What is known to be damaged, and what follows from that. */
export class DamageKnowledge {
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
