/**
 * Proves a replica: the database at a position is copied aside, the same position is restored from the replica beside
 * it, and the two are compared. Nobody is kept from writing meanwhile. docs/validation.md
 */
import { throwIfAborted } from "../abort.ts";
import { type ErrorCode, errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import { heavyWork } from "../heavy-work.ts";
import { comparePositions, formatPosition, type Position } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { restore } from "../restore/restore.ts";
import { pageOwners } from "../sqlite/page-owners.ts";
import type { PageDifference, ValidationResult } from "../status.ts";
import type { WalSource } from "../wal-source.ts";
import { type Comparison, comparePages } from "./compare.ts";
import { copyState } from "./copy-state.ts";
import { Workspace } from "./workspace.ts";

/** Litestream's. */
const pollIntervalMsDefault = 500;
const timeoutMsDefault = 10_000;

/** Pages that a result names. */
const differencesMax = 10;

/** What a restore or a comparison holds. */
const bufferBytes = 32 * 1024 * 1024;

/** A replica that says so does not hold what it reported, or not in one piece. */
const damageCodes: readonly ErrorCode[] = [
  "BACKUP_DAMAGED",
  "BACKUP_INCOMPLETE",
  "FORMAT_INVALID",
  "NO_BACKUP",
  "NO_SUCH_POINT",
  "OBJECT_MISSING",
];

/** The replica, as far as it is validated. */
export interface Validated extends ReplicaReader {
  lastPos(): Position | undefined;
  sync(signal?: AbortSignal): Promise<Position>;
}

export interface ValidateOptions {
  readonly signal: AbortSignal;
  /** How often it is looked whether the replica has reached the position; 500. */
  readonly pollIntervalMs?: number | undefined;
  /** How long that is waited for; 10000. */
  readonly timeoutMs?: number | undefined;
  /** Called with each piece that is copied, and with each that is read of the replica. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

export interface Validation {
  readonly result: ValidationResult;
  /** The replica cannot be restored, or not to what the database was, or only around something damaged. */
  readonly needsRepair: boolean;
}

interface Finding {
  readonly status: ValidationResult["status"];
  readonly position?: Position | undefined;
  readonly differences?: readonly PageDifference[];
  readonly keptAt?: string | undefined;
  readonly message?: string | undefined;
  readonly needsRepair: boolean;
}

/** @throws LitestreamError ABORTED; whatever else goes wrong is a result */
export async function validateReplica(
  db: WalSource,
  replica: Validated,
  options: ValidateOptions,
): Promise<Validation> {
  const startedAtMs = performance.now();
  const { needsRepair, ...finding } = await findOut(db, replica, options);
  const result: ValidationResult = {
    replica: replica.name,
    status: finding.status,
    position: finding.position,
    endedAtMs: Date.now(),
    durationMs: performance.now() - startedAtMs,
    differences: finding.differences ?? [],
    keptAt: finding.keptAt,
    message: finding.message,
  };
  return { result, needsRepair };
}

async function findOut(db: WalSource, replica: Validated, options: ValidateOptions): Promise<Finding> {
  let position: Position | undefined;
  try {
    // It has a snapshot then, so that what comes after lies behind the time in which that was copied.
    await withinTime(replica.sync(options.signal), replica, options);
    return await new Run(db, replica, options).findOut((at) => {
      position = at;
    });
  } catch (error) {
    throwIfAborted(options.signal, "the validation");
    return { status: "error", position, message: errorMessage(error), needsRepair: false };
  }
}

class Run {
  readonly #db: WalSource;
  readonly #replica: Validated;
  readonly #options: ValidateOptions;

  constructor(db: WalSource, replica: Validated, options: ValidateOptions) {
    this.#db = db;
    this.#replica = replica;
    this.#options = options;
  }

  async findOut(onPosition: (position: Position) => void): Promise<Finding> {
    const { path, metaPath, owner } = this.#db;
    const { signal } = this.#options;
    const request = { db: path, bufferBytes, signal };
    const before = this.#db.sizeBytes();
    await using workspace = await Workspace.open(metaPath, this.#replica.name, owner, before);
    const { position, pageSize } = await heavyWork.run(request, () => this.#copy(workspace));
    onPosition(position);
    await this.#untilReached(position);
    return await heavyWork.run(request, () => this.#compare(workspace, position, pageSize));
  }

  async #copy(workspace: Workspace): Promise<{ position: Position; pageSize: number }> {
    using state = this.#db.beginState();
    using target = workspace.create(workspace.livePath);
    const { signal, onProgress } = this.#options;
    // Half of the work; the other half is the restore, to which the comparison adds little.
    await copyState(state, target, signal, (copied) => onProgress?.(copied, 2 * state.fileSizeBytes));
    return { position: state.position, pageSize: state.pageSize };
  }

  /** @throws LitestreamError when it does not come that far in time, or another generation began */
  async #untilReached(position: Position): Promise<void> {
    const { signal, pollIntervalMs = pollIntervalMsDefault, timeoutMs = timeoutMsDefault } = this.#options;
    const untilMs = performance.now() + timeoutMs;
    // Where it replicates by itself, that may be on its way already; where it does not, nobody else asks.
    void this.#replica.sync(signal).catch(() => undefined);
    for (;;) {
      throwIfAborted(signal, "the validation");
      const reached = this.#replica.lastPos();
      if (reached?.generation === position.generation && comparePositions(reached, position) >= 0) return;
      if (this.#db.captured()?.position.generation !== position.generation) {
        throw new LitestreamError("GENERATION_BROKEN", "another generation began before the replica had reached it", {
          position: formatPosition(position),
        });
      }
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw tooSlow(this.#replica, formatPosition(position), timeoutMs);
      await pause(Math.min(pollIntervalMs, leftMs), signal);
    }
  }

  async #compare(workspace: Workspace, position: Position, pageSize: number): Promise<Finding> {
    const { signal, onProgress } = this.#options;
    let warnings: readonly string[];
    try {
      const restored = await restore({
        replica: this.#replica,
        outputPath: workspace.restoredPath,
        position,
        // What SQLite would find is found by the comparison.
        integrityCheck: "none",
        parallelism: 1,
        signal,
        onProgress: (event) => {
          if (event.type === "read") onProgress?.(event.totalBytes + event.readBytes, 2 * event.totalBytes);
        },
      });
      ({ warnings } = restored);
    } catch (error) {
      if (!isLitestreamError(error, ...damageCodes)) throw error;
      return { status: "error", position, message: errorMessage(error), needsRepair: true };
    }
    const comparison = await this.#compareFiles(workspace, pageSize);
    if (!comparison.isSame) return await this.#mismatch(workspace, position, comparison);
    // The state is right, but was found only around something that is not.
    const [warning] = warnings;
    if (warning !== undefined) return { status: "error", position, message: warning, needsRepair: true };
    return { status: "ok", position, needsRepair: false };
  }

  async #compareFiles(workspace: Workspace, pageSize: number): Promise<Comparison> {
    using live = workspace.open(workspace.livePath);
    using restored = workspace.open(workspace.restoredPath);
    return await comparePages([live, restored], pageSize, differencesMax, this.#options.signal);
  }

  async #mismatch(workspace: Workspace, position: Position, comparison: Comparison): Promise<Finding> {
    const { pgnos, differingPages, checksums } = comparison;
    const owners = pageOwners(workspace.livePath, pgnos);
    const differences = pgnos.map((pgno) => ({ pgno, owner: owners.get(pgno) }));
    const [live, restored] = checksums.map((checksum) => checksum.toString(16).padStart(16, "0"));
    let message = `${differingPages} pages differ: CRC-64 ${live ?? ""} of the database, ${restored ?? ""} restored`;
    let keptAt: string | undefined;
    try {
      keptAt = await workspace.keep(Date.now());
    } catch (error) {
      message += `; they could not be kept: ${errorMessage(error)}`;
    }
    return { status: "mismatch", position, differences, keptAt, message, needsRepair: true };
  }
}

/** A store that answers nothing is no reason to wait for ever. */
async function withinTime<T>(work: Promise<T>, replica: Validated, options: ValidateOptions): Promise<T> {
  const { timeoutMs = timeoutMsDefault, signal } = options;
  const timeout = new AbortController();
  const late = pause(timeoutMs, AbortSignal.any([signal, timeout.signal])).then(() => {
    throw tooSlow(replica, "where the database is", timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    timeout.abort();
  }
}

function tooSlow({ location }: Validated, what: string, timeoutMs: number): LitestreamError {
  return new LitestreamError("REPLICA_UNAVAILABLE", `${location} did not reach ${what} within ${timeoutMs} ms`, {
    path: location,
    hint: "It is behind, or cannot be written: what it last failed with says why.",
  });
}

/** Until the time has passed, or `signal` is given. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await promise;
  clearTimeout(timer);
}
