import { resolve } from "node:path";
import { Db } from "./db/db.ts";
import { Monitor } from "./db/monitor.ts";
import { errorMessage, isLitestreamError, LitestreamError } from "./errors.ts";
import type { EmitEvent, LitestreamEvent } from "./events.ts";
import { comparePositions, type Position } from "./position.ts";
import { FileReplica } from "./replica/file-replica.ts";
import type { ReplicaOptions } from "./replica-options.ts";

/** One database and where it is replicated to. Times are milliseconds; the defaults are Litestream's. */
export interface LitestreamOptions {
  readonly path: string;
  readonly replicas: readonly ReplicaOptions[];
  /** The meta directory; `.<db>-litestream` beside the database when absent. */
  readonly metaPath?: string | undefined;
  /** Poll of the database, for when no event of the file system comes; 1000. */
  readonly monitorIntervalMs?: number | undefined;
  /** Off: nothing happens by itself, the caller calls `sync`. On when absent. */
  readonly monitorEnabled?: boolean | undefined;
  /** A checkpoint is tried at least this often, if there is anything to move; 60000; 0 for never. */
  readonly checkpointIntervalMs?: number | undefined;
  /** Pages in the WAL from which a checkpoint is tried; 1000. */
  readonly minCheckpointPageCount?: number | undefined;
  /** Pages in the WAL from which a checkpoint waits for readers; 10000; 0 for never. */
  readonly maxCheckpointPageCount?: number | undefined;
  /** How long a lock of the database is waited for; 1000. */
  readonly busyTimeoutMs?: number | undefined;
  /** Called synchronously with each event; what it throws is ignored. */
  readonly onEvent?: ((event: LitestreamEvent) => void) | undefined;
}

/** Least time between two captures: commits that come closer together share one. */
const coalesceMs = 10;

/**
 * Replicates one database for as long as it is started:
 *
 *     await using litestream = new Litestream({ path: "app.db", replicas: [{ path: "/backups/app" }] });
 *     await litestream.start();
 */
export class Litestream {
  readonly path: string;
  readonly replicas: readonly FileReplica[];
  readonly #db: Db;
  readonly #monitor: Monitor;
  readonly #monitorEnabled: boolean;
  readonly #emit: EmitEvent;
  readonly #listeners = new Set<(event: LitestreamEvent) => void>();
  #isStarted = false;
  #isWaiting = false;
  #capturedAtMs = 0;
  #pending: ReturnType<typeof setTimeout> | undefined;
  #capturing: Promise<void> = Promise.resolve();
  #startingReplicas: Promise<void> | undefined;
  /** While a database is let go whose path another one has taken. */
  #closingReplaced: Promise<void> | undefined;
  #stopping: Promise<Position | undefined> | undefined;

  /** @throws LitestreamError CONFIG_INVALID without a replica, or when two have one name or one folder */
  constructor(options: LitestreamOptions) {
    this.path = resolve(options.path);
    if (options.onEvent !== undefined) this.subscribe(options.onEvent);
    this.#emit = (event) => {
      for (const listener of this.#listeners) {
        try {
          listener({ db: this.path, ...event });
        } catch {
          // An observer that fails must not stop replication.
        }
      }
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
    this.replicas = options.replicas.map((replica) => this.#newReplica(replica));
    requireDistinct(this.path, resolve(this.#db.metaPath), this.replicas);
    this.#monitor = new Monitor(this.path, monitorIntervalMs, () => this.#onChange());
  }

  /**
   * Calls `listener` synchronously with each event from now on; what it throws is ignored.
   * @returns to end it
   */
  subscribe(listener: (event: LitestreamEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #newReplica(options: ReplicaOptions): FileReplica {
    const { name } = options;
    if (options.type === "s3" || options.type === "url" || options.layout === "segments") {
      const what = options.type === "s3" ? "s3 replicas" : "replicas in the layout segments";
      throw new LitestreamError("CONFIG_INVALID", `${this.path}: ${what} are not written yet`, {
        path: this.path,
        hint: "Replicate to a folder.",
      });
    }
    return new FileReplica(this.#db, { path: options.path, name, monitorEnabled: this.#monitorEnabled }, this.#emit);
  }

  /** Where capture stands; undefined while the database is waited for. */
  position(): Position | undefined {
    return this.#db.captured()?.position;
  }

  /**
   * Begins to replicate. A database that is missing, or held by someone else, is waited for (event `waiting`).
   * @throws LitestreamError DATABASE_INVALID, DATABASE_IN_USE, DATABASE_UNAVAILABLE or REPLICA_UNAVAILABLE; nothing was
   *   changed then
   */
  async start(): Promise<void> {
    if (this.#isStarted) return;
    for (const replica of this.replicas) replica.check();
    try {
      await this.#open();
    } catch (error) {
      this.closeNow();
      throw error;
    }
    this.#isStarted = true;
    if (this.#monitorEnabled) this.#monitor.start();
  }

  /**
   * Copies everything that was committed before the call, and resolves once that is durable in every replica.
   * @returns the position up to which every replica holds the database
   * @throws what kept the first replica from it
   */
  async sync(): Promise<Position> {
    if (!(await this.#open())) {
      throw new LitestreamError("DATABASE_MISSING", `no database at ${this.path}`, { path: this.path });
    }
    this.#db.sync();
    for (;;) {
      const positions = await Promise.all(this.replicas.map((replica) => replica.sync()));
      this.#releaseShadow();
      const [first, ...others] = positions;
      if (first === undefined) throw new Error("a database is replicated somewhere");
      // One replica can make a generation begin that another, which was faster, does not have yet.
      if (others.some((position) => position.generation !== first.generation)) continue;
      return others.reduce((least, position) => (comparePositions(position, least) < 0 ? position : least), first);
    }
  }

  /**
   * Ends replication after a last sync, and closes everything.
   * @returns the position that every replica has; undefined if the database never was there
   * @throws the error of the last sync; everything is closed all the same
   */
  stop(): Promise<Position | undefined> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Closes the database at once, without a last sync: for a process that is about to end. */
  closeNow(): void {
    this.#monitor.stop();
    clearTimeout(this.#pending);
    this.#db.close();
  }

  /** Stops, unless that was done, or tried, already: then its error was told. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping === undefined) await this.stop();
    else await this.#stopping.catch(() => undefined);
  }

  async #stop(): Promise<Position | undefined> {
    this.#monitor.stop();
    clearTimeout(this.#pending);
    await this.#capturing;
    await this.#startingReplicas?.catch(() => undefined);
    await Promise.all(this.replicas.map((replica) => replica.stop()));
    try {
      // A database that was removed meanwhile is waited for no longer.
      return this.#db.isOpen && (await this.#open()) ? await this.sync() : undefined;
    } finally {
      await Promise.all(this.replicas.map((replica) => replica.settled()));
      this.#db.close();
      this.#isStarted = false;
      this.#emit({ type: "stopped" });
    }
  }

  /** @returns false while the database is waited for */
  async #open(): Promise<boolean> {
    if (this.#db.isOpen && !this.#db.isCurrent()) {
      this.#closingReplaced ??= this.#closeReplaced().finally(() => {
        this.#closingReplaced = undefined;
      });
    }
    await this.#closingReplaced;
    if (!this.#db.isOpen) {
      try {
        this.#db.open();
      } catch (error) {
        if (!this.#isWorthWaiting(error)) throw error;
        if (!this.#isWaiting) this.#emit({ type: "waiting", reason: errorMessage(error) });
        this.#isWaiting = true;
        return false;
      }
      this.#isWaiting = false;
      this.#startingReplicas = undefined;
    }
    this.#startingReplicas ??= this.#startReplicas();
    try {
      await this.#startingReplicas;
    } catch (error) {
      // Tried again the next time.
      this.#startingReplicas = undefined;
      throw error;
    }
    return true;
  }

  /** An application that creates its database shows an empty or a locked file for a moment. */
  #isWorthWaiting(error: unknown): boolean {
    if (isLitestreamError(error, "DATABASE_MISSING", "DATABASE_BUSY")) return true;
    return this.#isWaiting && isLitestreamError(error, "DATABASE_INVALID", "DATABASE_UNAVAILABLE");
  }

  async #startReplicas(): Promise<void> {
    for (const replica of this.replicas) await replica.start();
  }

  /** Captures now, or, if that was a moment ago, soon. */
  #onChange(): void {
    if (this.#pending !== undefined || this.#stopping !== undefined) return;
    const waitMs = Math.max(0, this.#capturedAtMs + coalesceMs - performance.now());
    this.#pending = setTimeout(() => {
      this.#pending = undefined;
      // One at a time: while the database is opened anew, nothing else may look at it.
      this.#capturing = this.#capturing.then(() => this.#capture());
    }, waitMs);
  }

  /** Never rejects: what fails is an event, and is tried again at the next change or poll. */
  async #capture(): Promise<void> {
    try {
      if (!(await this.#open()) || this.#stopping !== undefined) return;
      this.#db.sync();
      this.#releaseShadow();
    } catch (error) {
      this.#emit({ type: "error", operation: "sync", error });
    } finally {
      this.#capturedAtMs = performance.now();
    }
  }

  async #closeReplaced(): Promise<void> {
    this.#emit({ type: "warning", message: `${this.path} was replaced or removed`, hint: "It is opened anew." });
    await Promise.all(this.replicas.map((replica) => replica.stop()));
    this.#db.close();
  }

  /** Shadow WAL that every replica has is let go. */
  #releaseShadow(): void {
    const captured = this.#db.captured()?.position;
    if (captured === undefined) return;
    let oldest = captured;
    for (const replica of this.replicas) {
      const position = replica.lastPos();
      if (position?.generation !== captured.generation) return;
      if (comparePositions(position, oldest) < 0) oldest = position;
    }
    this.#db.releaseWalBefore(oldest);
  }
}

function requireDistinct(path: string, metaPath: string, replicas: readonly FileReplica[]): void {
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
