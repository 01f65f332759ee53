import { resolve } from "node:path";
import type { LitestreamEvent } from "./events.ts";
import type { DatabaseEngine, OfReplica, RetentionRun, Waiting } from "./host/database-engine.ts";
import { ChildEngine } from "./host/child-engine.ts";
import { Engine } from "./host/engine.ts";
import type { EngineOptions } from "./host/protocol.ts";
import { takeOverIfChild } from "./host/take-over.ts";
import { LitestreamError } from "./errors.ts";
import type { LitestreamOptions } from "./litestream-options.ts";
import { openReplica } from "./open-replica.ts";
import type { Position } from "./position.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { ReplicaReader } from "./replica-reader.ts";
import type { DatabaseStatus, LastSnapshot, RetentionResult, ValidationResult } from "./status.ts";
import { replicaType } from "./store/open-store.ts";

/**
 * Where the engine runs. `child`, the default: in a process of its own, one for all databases of the application.
 * `inline`: in this process, whose file locks it then shares (docs/library.md says what that forbids).
 */
export type EngineKind = "child" | "inline";

/**
 * Replicates one database for as long as it is started:
 *
 *     await using litestream = new Litestream({ path: "app.db", replicas: [{ path: "/backups/app" }] });
 *     await litestream.start();
 */
export class Litestream {
  /** Of the database, absolute. */
  readonly path: string;
  readonly #engine: DatabaseEngine;
  readonly #replicas: readonly ReplicaOptions[];
  readonly #listeners = new Set<(event: LitestreamEvent) => void>();

  /** @throws LitestreamError CONFIG_INVALID without a replica, or when two have one name or one folder */
  constructor(options: LitestreamOptions & { readonly engine?: EngineKind | undefined }) {
    this.path = resolve(options.path);
    this.#replicas = options.replicas;
    if (options.onEvent !== undefined) this.subscribe(options.onEvent);
    const { engine = "child", onEvent: _, ...others } = options;
    const engineOptions = withAbsolutePaths(others);
    const tell = (event: LitestreamEvent): void => this.#tell(event);
    this.#engine =
      engine === "inline" ? new Engine({ ...engineOptions, onEvent: tell }) : new ChildEngine(engineOptions, tell);
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

  /**
   * Opens one of its replicas to list and restore it. Nothing is looked at before it is used.
   * @throws LitestreamError CONFIG_INVALID for a name that none of them has
   */
  openReplica(name: string): ReplicaReader {
    const options = this.#replicas.find((replica) => (replica.name ?? replicaType(replica)) === name);
    if (options === undefined) {
      throw new LitestreamError("CONFIG_INVALID", `${this.path} has no replica ${name}`, { path: this.path });
    }
    return openReplica(options);
  }

  /** Where capture stands; undefined while the database is waited for. */
  position(): Position | undefined {
    return this.#engine.position();
  }

  /** How the database and its replicas stand. */
  status(): Promise<DatabaseStatus> {
    return this.#engine.status();
  }

  /**
   * Begins to replicate. A database that is missing, or held by someone else, is waited for (event `waiting`).
   * @throws LitestreamError DATABASE_INVALID, DATABASE_IN_USE, DATABASE_UNAVAILABLE or REPLICA_UNAVAILABLE; nothing was
   *   changed then
   */
  start(options: Waiting = {}): Promise<void> {
    return this.#engine.start(options);
  }

  /**
   * Copies everything that was committed before the call, and resolves once that is durable in every replica.
   * @returns the position up to which every replica holds the database
   * @throws what kept the first replica from it; LitestreamError ABORTED when `signal` was given
   */
  sync(options: Waiting = {}): Promise<Position> {
    return this.#engine.sync(options);
  }

  /**
   * Resolves once every replica holds `position`, as `sync`, `position` or `status` gave it since the start. While a
   * replica fails, it goes on waiting.
   * @throws LitestreamError NO_SUCH_POINT when its generation is none of this run, ABORTED when `signal` was given or
   *   replication ended before
   */
  waitFor(position: Position, options: Waiting = {}): Promise<void> {
    return this.#engine.waitFor(position, options);
  }

  /**
   * Takes a new snapshot in the current generation of one replica or of all, one after the other.
   * @throws LitestreamError CONFIG_INVALID for an unknown replica, ABORTED, or what kept a replica from it
   */
  snapshot(options: OfReplica = {}): Promise<LastSnapshot[]> {
    return this.#engine.snapshot(options);
  }

  /**
   * Restores a replica aside, or each of them, and compares it with the live database at the same position. What was
   * found is in the results, and is an event; a difference is not an error.
   * @throws LitestreamError CONFIG_INVALID for an unknown replica, ABORTED
   */
  validate(options: OfReplica = {}): Promise<ValidationResult[]> {
    return this.#engine.validate(options);
  }

  /**
   * Deletes what is older than the retention of one replica or of all asks for; a dry run only says what that is.
   * @throws LitestreamError CONFIG_INVALID for an unknown replica, ABORTED, or what kept a replica from it
   */
  enforceRetention(options: RetentionRun = {}): Promise<RetentionResult[]> {
    return this.#engine.enforceRetention(options);
  }

  /**
   * Ends replication after a last sync, and closes everything.
   * @returns the position that every replica has; undefined if the database never was there
   * @throws the error of the last sync; everything is closed all the same
   */
  stop(): Promise<Position | undefined> {
    return this.#engine.stop();
  }

  /** Closes the database at once, without a last sync: for a process that is about to end. */
  closeNow(): void {
    this.#engine.closeNow();
  }

  /** Stops, unless that was done, or tried, already: then its error was told. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }

  #tell(event: LitestreamEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch {
        // An observer that fails must not stop replication.
      }
    }
  }
}

/** The application may change its working directory before they are used. */
function withAbsolutePaths(options: EngineOptions): EngineOptions {
  const { path, metaPath, replicas } = options;
  return {
    ...options,
    path: resolve(path),
    metaPath: metaPath === undefined ? undefined : resolve(metaPath),
    replicas: replicas.map((replica) =>
      replica.type === undefined || replica.type === "file" ? { ...replica, path: resolve(replica.path) } : replica,
    ),
  };
}

takeOverIfChild();
