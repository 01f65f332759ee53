/**
 * The child process: runs an engine for each database of the application, and does what it is asked. It lives as long
 * as the application's process, whose end it notices as the end of their channel. Then it has `lastSyncMs` for a last
 * sync.
 */
import { isLitestreamError } from "../errors.ts";
import type { LitestreamEvent } from "../events.ts";
import { childMarker } from "./child-command.ts";
import { Engine } from "./engine.ts";
import { lastSyncMs, lockWaitMs } from "./last-sync.ts";
import {
  type Call,
  type CallId,
  type DatabaseId,
  type EngineOptions,
  parseRequest,
  type Reply,
  type Request,
  type Stopped,
  type WireEvent,
} from "./protocol.ts";
import type { Position } from "../position.ts";
import { toWireError } from "./wire-error.ts";

/** Pause between two tries to begin where another process still replicates the database. */
const lockRetryMs = 100;

/** Events that were sent and not received: beyond this they are not sent, or a halted application would fill memory. */
const eventsInFlightMax = 10_000;

export interface ServeOptions {
  /** Of errors that reach the process: one that does not end it. */
  readonly isExpected?: (error: unknown) => boolean;
}

/** Begins to serve the process that started this one. */
export function serve(options: ServeOptions = {}): void {
  Reflect.deleteProperty(process.env, childMarker);
  new ChildServer(options).start();
}

class ChildServer {
  readonly #engines = new Map<DatabaseId, Engine>();
  readonly #calls = new Map<CallId, AbortController>();
  readonly #isExpected: (error: unknown) => boolean;
  #sentEvents = 0;
  #receivedEvents = 0;
  #droppedEvents = 0;
  #isEnding = false;

  constructor({ isExpected = () => false }: ServeOptions) {
    this.#isExpected = isExpected;
  }

  start(): void {
    // Signals to a terminal or a service reach all of its processes. When to end is for the application to say.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
    const onCrash = (error: unknown): void => {
      if (!this.#isExpected(error)) this.#crash(error);
    };
    process.on("uncaughtException", onCrash);
    process.on("unhandledRejection", onCrash);
    process.on("message", (message: unknown) => this.#take(parseRequest(message)));
    process.on("disconnect", () => this.#endAfterLastSync());
    // Where a third process holds the channel's other end, only this tells that the parent is gone.
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) this.#endAfterLastSync();
    }, 1000);
    this.#send({ type: "ready" });
  }

  #take(request: Request): void {
    switch (request.type) {
      case "call": {
        const { id, db, call } = request;
        const abort = new AbortController();
        this.#calls.set(id, abort);
        this.#do(db, call, abort.signal)
          .then(
            (value) => this.#send({ type: "returned", id, value }),
            (error: unknown) => this.#send({ type: "threw", id, error: toWireError(error) }),
          )
          .finally(() => this.#calls.delete(id));
        return;
      }
      case "abort":
        this.#calls.get(request.id)?.abort();
        return;
      case "close":
        this.#engines.get(request.db)?.closeNow();
        this.#engines.delete(request.db);
        return;
      case "received":
        this.#receivedEvents = request.events;
        return;
    }
  }

  async #do(db: DatabaseId, call: Call, signal: AbortSignal): Promise<unknown> {
    if (call.method === "start") return this.#startEngine(db, call.options, signal);
    const engine = this.#engines.get(db);
    if (engine === undefined) throw new Error(`database ${db} was not started`);
    switch (call.method) {
      case "stop":
        return this.#stopEngine(db, engine);
      case "sync":
        return engine.sync({ signal });
      case "status":
        return engine.status();
      case "waitFor":
        return engine.waitFor(call.position, { signal });
      case "snapshot":
        return engine.snapshot({ replica: call.replica, signal });
      case "validate":
        return engine.validate({ replica: call.replica, signal });
      case "enforceRetention":
        return engine.enforceRetention({ replica: call.replica, isDryRun: call.isDryRun, signal });
    }
  }

  async #stopEngine(db: DatabaseId, engine: Engine): Promise<Stopped> {
    const end = await engine.stop().then(
      (position) => ({ position, error: undefined }),
      (error: unknown) => ({ position: undefined, error: toWireError(error) }),
    );
    this.#engines.delete(db);
    return { ...end, status: await engine.status() };
  }

  /** The child of an application that has just ended may still be at its last sync: that is waited for. */
  async #startEngine(db: DatabaseId, options: EngineOptions, signal: AbortSignal): Promise<Position | undefined> {
    const engine = new Engine({ ...options, onEvent: (event) => this.#tell(db, engine, event) });
    const untilMs = performance.now() + lockWaitMs;
    for (let isFirst = true; ; isFirst = false) {
      try {
        await engine.start({ signal });
        this.#engines.set(db, engine);
        return engine.position();
      } catch (error) {
        if (!isLitestreamError(error, "DATABASE_IN_USE") || performance.now() > untilMs || this.#isEnding) throw error;
        const reason = error.message;
        if (isFirst) this.#tell(db, engine, { db: engine.path, type: "waiting", reason });
      }
      await Bun.sleep(lockRetryMs);
    }
  }

  #tell(db: DatabaseId, engine: Engine, event: LitestreamEvent): void {
    if (this.#sentEvents - this.#receivedEvents >= eventsInFlightMax) {
      this.#droppedEvents++;
      return;
    }
    if (this.#droppedEvents > 0) {
      const message = `${this.#droppedEvents} events were not told, since the application took none for too long`;
      this.#droppedEvents = 0;
      this.#tell(db, engine, { db: engine.path, type: "warning", message });
    }
    this.#sentEvents++;
    const { error } = event as { readonly error?: unknown };
    const wireEvent = error === undefined ? event : { ...event, error: toWireError(error) };
    this.#send({ type: "event", db, event: wireEvent as WireEvent, position: engine.position() });
  }

  #send(reply: Reply): void {
    // An application that is gone is noticed elsewhere.
    if (process.connected) process.send?.(reply);
  }

  /** The application is gone. Nobody is left to hear of a failure: the next run goes on where this one stopped. */
  #endAfterLastSync(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const stopped = Promise.allSettled([...this.#engines.values()].map((engine) => engine.stop()));
    Promise.race([stopped, Bun.sleep(lastSyncMs)]).then(() => this.#exit(0), reportError);
  }

  #crash(error: unknown): void {
    this.#send({ type: "crashed", error: toWireError(error) });
    this.#exit(1);
  }

  #exit(code: number): never {
    for (const engine of this.#engines.values()) engine.closeNow();
    process.exit(code);
  }
}
