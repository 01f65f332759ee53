import { throwIfAborted, untilAborted } from "../abort.ts";
import { isLitestreamError, LitestreamError } from "../errors.ts";
import type { LitestreamEvent } from "../events.ts";
import type { Position } from "../position.ts";
import type { DatabaseStatus, LastSnapshot, RetentionResult, ValidationResult } from "../status.ts";
import { childHost, type HostedDatabase } from "./child-host.ts";
import type { DatabaseEngine, OfReplica, RetentionRun, Waiting } from "./database-engine.ts";
import { Engine } from "./engine.ts";
import type { EngineProcess, EventReply } from "./engine-process.ts";
import { lastSyncMs } from "./last-sync.ts";
import { type Call, type DatabaseId, type EngineOptions, isPosition, isStopped } from "./protocol.ts";
import { fromWireError } from "./wire-error.ts";

/** Pause before a database is started again that could not be, after its process had ended. */
const startRetryMs = 1000;

/** Replicates one database in the child process, which is started again, and replication with it, when it ends. */
export class ChildEngine implements DatabaseEngine, HostedDatabase {
  readonly #options: EngineOptions;
  readonly #onEvent: (event: LitestreamEvent) => void;
  /** Undefined while the database is not replicated. */
  #id: DatabaseId | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<Position | undefined> | undefined;
  /** Pending until the database is replicated, and while the process is about to be started again. */
  #running: PromiseWithResolvers<void> = Promise.withResolvers();
  #isRunning = false;
  #position: Position | undefined;
  #lastStatus: Promise<DatabaseStatus>;

  /** @throws LitestreamError CONFIG_INVALID */
  constructor(options: EngineOptions, onEvent: (event: LitestreamEvent) => void) {
    this.#options = options;
    this.#onEvent = onEvent;
    for (const { type, name } of options.replicas) {
      if (type !== "url") continue;
      throw new LitestreamError(
        "CONFIG_INVALID",
        `${options.path}: the store of replica ${name ?? type} is not known`,
        {
          path: options.path,
          hint: 'What registerStore made known is known in its own process only: set `engine: "inline"`.',
        },
      );
    }
    // Nothing is opened by this, and what cannot be is refused.
    this.#lastStatus = new Engine(options).status();
  }

  position(): Position | undefined {
    return this.#position;
  }

  start({ signal }: Waiting = {}): Promise<void> {
    this.#starting ??= this.#start(signal).catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async sync({ signal }: Waiting = {}): Promise<Position> {
    const position = await this.#call({ method: "sync" }, signal);
    if (!isPosition(position)) throw new TypeError("a sync gives a position");
    return position;
  }

  async waitFor(position: Position, { signal }: Waiting = {}): Promise<void> {
    await this.#call({ method: "waitFor", position }, signal);
  }

  async snapshot({ replica, signal }: OfReplica = {}): Promise<LastSnapshot[]> {
    return (await this.#call({ method: "snapshot", replica }, signal)) as LastSnapshot[];
  }

  async validate({ replica, signal }: OfReplica = {}): Promise<ValidationResult[]> {
    return (await this.#call({ method: "validate", replica }, signal)) as ValidationResult[];
  }

  async enforceRetention({ replica, isDryRun = false, signal }: RetentionRun = {}): Promise<RetentionResult[]> {
    return (await this.#call({ method: "enforceRetention", replica, isDryRun }, signal)) as RetentionResult[];
  }

  async status(): Promise<DatabaseStatus> {
    if (this.#id !== undefined && this.#isRunning) {
      try {
        this.#lastStatus = Promise.resolve((await this.#call({ method: "status" })) as DatabaseStatus);
      } catch (error) {
        if (!isLitestreamError(error, "ENGINE_ENDED")) throw error;
      }
    }
    const last = await this.#lastStatus;
    if (this.#id === undefined || this.#isRunning) return last;
    return { ...last, state: "waiting", reason: "the child process that replicates ended, and is started again" };
  }

  stop(): Promise<Position | undefined> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  closeNow(): void {
    this.#leave().catch(reportError);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping === undefined) await this.stop();
    else await this.#stopping.catch(() => undefined);
  }

  onEvent({ event, position }: EventReply): void {
    this.#position = position;
    const { error } = event;
    this.#onEvent((error === undefined ? event : { ...event, error: fromWireError(error) }) as LitestreamEvent);
  }

  onEnd(error: LitestreamError): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#running = Promise.withResolvers();
    this.#onEvent({ db: this.#options.path, type: "error", operation: "replication process", error });
  }

  onRestart(): void {
    if (this.#id !== undefined && this.#stopping === undefined) this.#resume(this.#id).catch(reportError);
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal, "the start");
    this.#id = childHost.add(this);
    try {
      await this.#startIn(childHost.process(), this.#id, signal);
    } catch (error) {
      await this.#leave();
      throw error;
    }
  }

  async #startIn(process: EngineProcess | undefined, id: DatabaseId, signal?: AbortSignal): Promise<void> {
    if (process === undefined) throw new LitestreamError("ENGINE_ENDED", "the child process is started again just now");
    const position = await process.call(id, { method: "start", options: this.#options }, signal);
    this.#position = isPosition(position) ? position : undefined;
    this.#isRunning = true;
    this.#running.resolve();
  }

  /** In a new process. Where that cannot be, it is tried again, unless the process ended again: then that is. */
  async #resume(id: DatabaseId): Promise<void> {
    while (this.#id === id && this.#stopping === undefined) {
      try {
        await this.#startIn(childHost.process(), id);
        return;
      } catch (error) {
        if (isLitestreamError(error, "ENGINE_ENDED")) return;
        this.#onEvent({ db: this.#options.path, type: "error", operation: "start", error });
      }
      await Bun.sleep(startRetryMs);
    }
  }

  async #call(call: Call, signal?: AbortSignal): Promise<unknown> {
    const id = this.#startedId();
    throwIfAborted(signal, call.method);
    await untilAborted(this.#running.promise, signal, call.method);
    const process = childHost.process();
    // It ended in this very moment.
    if (process === undefined) return this.#call(call, signal);
    return process.call(id, call, signal);
  }

  #startedId(): DatabaseId {
    if (this.#id !== undefined) return this.#id;
    const { path } = this.#options;
    const hint = "Call start first.";
    throw new LitestreamError("DATABASE_UNAVAILABLE", `${path} is not replicated: it was not started`, { path, hint });
  }

  async #stop(): Promise<Position | undefined> {
    await this.#starting?.catch(() => undefined);
    if (this.#id === undefined) return undefined;
    try {
      // A process that cannot be started again must not keep the application from its end.
      await untilAborted(this.#running.promise, AbortSignal.timeout(lastSyncMs), "the last sync");
      const stopped = await this.#call({ method: "stop" });
      if (!isStopped(stopped)) throw new TypeError("a stop gives how it ended");
      this.#lastStatus = Promise.resolve(stopped.status);
      this.#position = stopped.status.position;
      if (stopped.error !== undefined) throw fromWireError(stopped.error);
      return stopped.position;
    } finally {
      await this.#leave();
    }
  }

  /** Whoever waits for the process waits in vain now. */
  async #leave(): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    this.#id = undefined;
    this.#isRunning = false;
    const { path } = this.#options;
    this.#running.promise.catch(() => undefined);
    this.#running.reject(new LitestreamError("ABORTED", `replication of ${path} ended`, { path }));
    this.#running = Promise.withResolvers();
    await childHost.remove(id);
  }
}
