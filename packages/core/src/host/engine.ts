import { resolve } from "node:path";
import { throwIfAborted, untilAborted } from "../abort.ts";
import type { CheckpointPace } from "../db/checkpoint-policy.ts";
import { Db } from "../db/db.ts";
import { Monitor } from "../db/monitor.ts";
import { errorMessage, isDiskFull, isLitestreamError, LitestreamError } from "../errors.ts";
import type { EmitEvent, LitestreamEventBody } from "../events.ts";
import type { LitestreamOptions } from "../litestream-options.ts";
import { comparePositions, formatPosition, type Position } from "../position.ts";
import type { DatabaseStatus, LastSnapshot, RetentionResult, ValidationResult } from "../status.ts";
import type { DatabaseEngine, OfReplica, RetentionRun, Waiting } from "./database-engine.ts";
import { enforceRetentions, takeSnapshots, validateReplicas } from "./replica-duties.ts";
import { FullDisks } from "./disk-full.ts";
import { type EngineReplica, newReplica } from "./new-replica.ts";
import { Progress } from "./progress.ts";

/** Least time from one capture to the next: commits that come closer together share one. */
const coalesceMs = 10;
/** Least time between two captures that take longer than that. */
const restMs = 1;
/** What is left of a pause and not worth a timer, which is no more exact. */
const slackMs = 0.5;

/** Least time between two while they fail: a full disk is not asked for each commit. */
const failureRestMs = 1000;

/** How long a database that has taken another's path waits for the last of that one to be replicated. */
const lostSyncMs = 10_000;

/** Replicates one database, in this process. */
export class Engine implements DatabaseEngine {
  readonly path: string;
  readonly replicas: readonly EngineReplica[];
  readonly #db: Db;
  readonly #monitor: Monitor;
  readonly #monitorEnabled: boolean;
  readonly #emit: EmitEvent;
  readonly #progress: Progress;
  readonly #fullDisks = new FullDisks();
  #isStarted = false;
  /** Why the database is waited for; undefined while it is not. */
  #waitingFor: string | undefined;
  #syncCount = 0;
  /** The last look at the WAL failed. */
  #captureFails = false;
  #notBeforeMs = 0;
  #pending: ReturnType<typeof setTimeout> | undefined;
  #capturing: Promise<void> = Promise.resolve();
  #startingReplicas: Promise<void> | undefined;
  #areReplicasStarted = false;
  /** While a database is let go whose path another one has taken, or whose meta directory is gone. */
  #closingLost: Promise<void> | undefined;
  #stopping: Promise<Position | undefined> | undefined;

  /** @throws LitestreamError CONFIG_INVALID without a replica, or when two have one name or one folder */
  constructor(options: LitestreamOptions) {
    this.path = resolve(options.path);
    const { onEvent } = options;
    this.#emit = (event) => {
      this.#observe(event);
      onEvent?.({ db: this.path, ...event });
      const more = this.#fullDisks.observe(event);
      if (more !== undefined) onEvent?.({ db: this.path, ...more });
    };
    const monitorIntervalMs = options.monitorIntervalMs ?? 1000;
    this.#monitorEnabled = options.monitorEnabled ?? true;
    this.#db = new Db(
      {
        path: this.path,
        metaPath: options.metaPath,
        busyTimeoutMs: options.busyTimeoutMs ?? 1000,
        checkpoint: {
          minPageCount: options.minCheckpointPageCount ?? 1000,
          maxPageCount: options.maxCheckpointPageCount ?? 10_000,
          intervalMs: options.checkpointIntervalMs ?? 60_000,
          retryMs: monitorIntervalMs,
          forcedRetryMs: 10 * monitorIntervalMs,
        },
      },
      this.#emit,
    );
    this.replicas = options.replicas.map((replica) => {
      return newReplica(this.#db, replica, this.#monitorEnabled, this.#emit);
    });
    this.#progress = new Progress(this.replicas);
    requireDistinct(this.path, resolve(this.#db.metaPath), this.replicas);
    this.#monitor = new Monitor(this.path, monitorIntervalMs, {
      onChange: () => this.#onChange(),
      onPoll: () => this.#onPoll(),
    });
  }

  position(): Position | undefined {
    return this.#db.captured()?.position;
  }

  async status(): Promise<DatabaseStatus> {
    const captured = this.position();
    const nowMs = Date.now();
    return {
      path: this.path,
      state: !this.#isStarted ? "stopped" : this.#db.isOpen ? "replicating" : "waiting",
      reason: this.#waitingFor,
      position: captured,
      ...this.#db.sizes(),
      syncCount: this.#syncCount,
      replicas: this.#progress.status(
        this.#captureFails ? undefined : this.#db.captured(),
        (position) => this.#db.capturedBytesAfter(position),
        nowMs,
      ),
    };
  }

  async start({ signal }: Waiting = {}): Promise<void> {
    if (this.#isStarted) return;
    throwIfAborted(signal, "the start");
    for (const replica of this.replicas) replica.check();
    try {
      await untilAborted(this.#openAndStart(), signal, "the start");
    } catch (error) {
      this.closeNow();
      throw error;
    }
    this.#isStarted = true;
    if (this.#monitorEnabled) this.#monitor.start();
  }

  sync({ signal }: Waiting = {}): Promise<Position> {
    return untilAborted(this.#sync(), signal, "the sync");
  }

  waitFor(position: Position, { signal }: Waiting = {}): Promise<void> {
    return untilAborted(this.#progress.reached(position), signal, `waiting for ${formatPosition(position)}`);
  }

  snapshot(options: OfReplica = {}): Promise<LastSnapshot[]> {
    return untilAborted(takeSnapshots(this.replicas, options), options.signal, "the snapshot");
  }

  validate(options: OfReplica = {}): Promise<ValidationResult[]> {
    return untilAborted(validateReplicas(this.replicas, options), options.signal, "the validation");
  }

  enforceRetention(options: RetentionRun = {}): Promise<RetentionResult[]> {
    return untilAborted(enforceRetentions(this.replicas, options), options.signal, "the retention");
  }

  stop(): Promise<Position | undefined> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  closeNow(): void {
    this.#monitor.stop();
    clearTimeout(this.#pending);
    this.#db.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping === undefined) await this.stop();
    else await this.#stopping.catch(() => undefined);
  }

  async #openAndStart(): Promise<void> {
    if (await this.#open()) await this.#startReplicas();
  }

  async #sync(): Promise<Position> {
    if (!(await this.#open())) {
      throw new LitestreamError("DATABASE_MISSING", `no database at ${this.path}`, { path: this.path });
    }
    await this.#captureOrMakeRoom("at once");
    await this.#startReplicas();
    for (;;) {
      const syncs = await Promise.allSettled(this.replicas.map((replica) => replica.sync()));
      this.#releaseShadow();
      // One that fails keeps none of the others from coming to their end.
      const [first, ...others] = syncs.map((sync) => {
        if (sync.status === "rejected") throw sync.reason;
        return sync.value;
      });
      if (first === undefined) throw new Error("a database is replicated somewhere");
      // One replica can make a generation begin that another, which was faster, does not have yet.
      if (others.some((position) => position.generation !== first.generation)) continue;
      return others.reduce((least, position) => (comparePositions(position, least) < 0 ? position : least), first);
    }
  }

  async #stop(): Promise<Position | undefined> {
    this.#monitor.stop();
    clearTimeout(this.#pending);
    await this.#capturing;
    await this.#startingReplicas?.catch(() => undefined);
    await Promise.all(this.replicas.map((replica) => replica.stop()));
    try {
      // A database that was removed meanwhile is waited for no longer.
      return this.#db.isOpen && (await this.#open()) ? await this.#sync() : undefined;
    } finally {
      await Promise.all(this.replicas.map((replica) => replica.settled()));
      this.#db.close();
      this.#isStarted = false;
      this.#progress.end();
      this.#emit({ type: "stopped" });
    }
  }

  #observe(event: LitestreamEventBody): void {
    this.#progress.observe(event, this.position(), Date.now());
  }

  /** @returns false while the database is waited for */
  async #open(): Promise<boolean> {
    const lost = this.#db.isOpen ? this.#db.lost() : undefined;
    if (lost !== undefined) {
      this.#closingLost ??= this.#closeLost(lost).finally(() => {
        this.#closingLost = undefined;
      });
    }
    await this.#closingLost;
    if (!this.#db.isOpen) {
      try {
        this.#db.open();
      } catch (error) {
        if (!this.#isWorthWaiting(error)) throw error;
        if (this.#waitingFor === undefined) this.#emit({ type: "waiting", reason: errorMessage(error) });
        this.#waitingFor = errorMessage(error);
        return false;
      }
      this.#waitingFor = undefined;
      this.#startingReplicas = undefined;
      this.#areReplicasStarted = false;
    }
    return true;
  }

  /** An application that creates its database shows an empty or a locked file for a moment. */
  #isWorthWaiting(error: unknown): boolean {
    if (isLitestreamError(error, "DATABASE_MISSING", "DATABASE_BUSY")) return true;
    return this.#waitingFor !== undefined && isLitestreamError(error, "DATABASE_INVALID", "DATABASE_UNAVAILABLE");
  }

  /** Once for each database that is opened; tried again where it fails. */
  #startReplicas(): Promise<void> {
    this.#startingReplicas ??= this.#startEachReplica().catch((error: unknown) => {
      this.#startingReplicas = undefined;
      throw error;
    });
    return this.#startingReplicas;
  }

  async #startEachReplica(): Promise<void> {
    for (const replica of this.replicas) await replica.start();
    this.#areReplicasStarted = true;
  }

  /** Captures in a moment: an event comes before what is written is published. */
  #onChange(): void {
    if (this.#pending !== undefined || this.#stopping !== undefined) return;
    this.#pending = setTimeout(
      () => {
        this.#pending = undefined;
        this.#captureNow();
      },
      Math.max(0, this.#notBeforeMs - performance.now()),
    );
  }

  #captureNow(): void {
    this.#notBeforeMs = performance.now() + coalesceMs;
    // One at a time: while the database is opened anew, nothing else may look at it.
    this.#capturing = this.#capturing.then(() => this.#captureChange());
  }

  /** Nothing is done, and nothing is allocated, for a database in which nothing happened. */
  #onPoll(): boolean {
    const isNew = this.#db.needsSync();
    if (isNew || this.#captureFails || !this.#areReplicasStarted) this.#onNews();
    // What cannot be captured is tried again with the next event or poll.
    return isNew && !this.#captureFails && this.#db.isOpen;
  }

  /** Captures now, or, if that was a moment ago, soon. A timer would be one more wake-up for each commit. */
  #onNews(): void {
    const isFree = this.#pending === undefined && this.#stopping === undefined;
    if (isFree && this.#notBeforeMs - performance.now() < slackMs) this.#captureNow();
    else this.#onChange();
  }

  #capture(pace: CheckpointPace): void {
    this.#syncCount++;
    this.#captureFails = true;
    this.#db.sync(pace);
    this.#captureFails = false;
    this.#releaseShadow();
  }

  /** What fills the disk of the meta directory may be captured WAL that a replica still had to get. */
  async #captureOrMakeRoom(pace: CheckpointPace): Promise<void> {
    try {
      this.#capture(pace);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await Promise.allSettled(this.replicas.map((replica) => replica.sync()));
      this.#releaseShadow();
      this.#capture(pace);
    }
  }

  /** Never rejects: what fails is an event, and is tried again at the next change or poll. */
  async #captureChange(): Promise<void> {
    try {
      if (!(await this.#open()) || this.#stopping !== undefined) return;
      await this.#captureOrMakeRoom("paced");
      // Capture does not wait for replicas, which may be out of reach.
      if (!this.#areReplicasStarted) this.#startReplicas().catch((error: unknown) => this.#tellFailure("start", error));
    } catch (error) {
      this.#captureFails = true;
      this.#tellFailure("sync", error);
    } finally {
      const pauseMs = this.#captureFails ? failureRestMs : restMs;
      this.#notBeforeMs = Math.max(this.#notBeforeMs, performance.now() + pauseMs);
    }
  }

  #tellFailure(operation: string, error: unknown): void {
    this.#emit({ type: "error", operation, error });
  }

  async #closeLost(lost: "database" | "meta directory"): Promise<void> {
    this.#emit({ type: "warning", ...lossOf(lost, this.path, this.#db.metaPath) });
    if (lost === "database") await this.#replicateCaptured();
    await Promise.all(this.replicas.map((replica) => replica.stop()));
    if (lost === "database") this.#db.closeReplaced();
    else this.#db.close();
  }

  /** What was captured of a database whose file is gone is replicated all the same, as far as that can be done soon. */
  async #replicateCaptured(): Promise<void> {
    const generation = this.position()?.generation;
    // One that has no snapshot of it could only get one of a file that is not the database any more.
    const replicas = this.replicas.filter((replica) => replica.lastPos()?.generation === generation);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, lostSyncMs);
    await Promise.race([Promise.allSettled(replicas.map((replica) => replica.sync())), late.promise]);
    clearTimeout(timer);
  }

  #releaseShadow(): void {
    this.#db.releaseWal(this.replicas.map((replica) => replica.shadowNeed()));
  }
}

function lossOf(
  lost: "database" | "meta directory",
  path: string,
  metaPath: string,
): { readonly message: string; readonly hint: string } {
  if (lost === "meta directory") {
    return { message: `the meta directory ${metaPath} was removed`, hint: "Leave it where it is; it is made anew." };
  }
  return {
    message: `${path}, or its -shm file, was replaced or removed`,
    hint: "It is opened anew. An application that had it open meanwhile has to be started again.",
  };
}

function requireDistinct(path: string, metaPath: string, replicas: readonly EngineReplica[]): void {
  const invalid = (why: string, hint: string): LitestreamError =>
    new LitestreamError("CONFIG_INVALID", `${path}: ${why}`, { path, hint });
  if (replicas.length === 0) throw invalid("it has no replica", "Name at least one folder to replicate to.");
  const names = new Set(replicas.map((replica) => replica.name));
  if (names.size < replicas.length) throw invalid("two replicas have one name", "Give each replica a name of its own.");
  for (const { location } of replicas) {
    if (location === metaPath || location.startsWith(`${metaPath}/`)) {
      throw invalid(`the replica ${location} lies in the meta directory`, "Name a folder elsewhere, on another disk.");
    }
  }
  const locations = new Set(replicas.map((replica) => replica.location));
  if (locations.size < replicas.length) throw invalid("two replicas have one folder", "Name each folder once.");
}
