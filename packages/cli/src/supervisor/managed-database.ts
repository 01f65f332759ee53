import type { DatabaseStatus } from "@litestream/core";
import { formatPosition } from "@litestream/core";
import type { DatabaseConfig } from "../config/config.ts";
import type { Log } from "../log/log.ts";
import { describeError } from "../report.ts";
import type { Engine } from "./engine.ts";
import { type End, endWithLastSync, type LastSyncLimits } from "./last-sync.ts";

/** @throws what keeps replication from beginning; whatever it likes once `signal` is given */
export type Prepare = (config: DatabaseConfig, signal: AbortSignal) => Promise<void>;

export interface DatabaseContext {
  readonly log: Log;
  readonly limits: () => LastSyncLimits;
  readonly createEngine: (config: DatabaseConfig) => Engine;
  /** What comes before each start, such as restoring a database that is not there. */
  readonly prepare: Prepare;
  /** Everything is about to end: what a start still waits for is not waited for. */
  readonly ending: AbortSignal;
}

/** One database that is replicated, or was stopped; starts and stops follow one another in the order of the calls. */
export class ManagedDatabase {
  readonly config: DatabaseConfig;
  readonly #context: DatabaseContext;
  #engine: Engine | undefined;
  #failure: string | undefined;
  /** What each replica is known to hold, of a database that may be gone when it is stopped. */
  readonly #replicated = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(config: DatabaseConfig, context: DatabaseContext) {
    this.config = config;
    this.#context = context;
  }

  get path(): string {
    return this.config.path;
  }

  /** Undefined while it is stopped, or could not be started. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** @throws what keeps it from being replicated; it can be tried again */
  start(): Promise<"started" | "already_running"> {
    return this.#inTurn(async () => {
      if (this.#engine !== undefined) return "already_running";
      try {
        const { prepare, ending } = this.#context;
        await unlessAborted(prepare(this.config, ending), ending);
        this.#engine = this.#context.createEngine(this.config);
        this.#engine.subscribe((event) => {
          if (event.type === "replica-sync") this.#replicated.set(event.replica, formatPosition(event.position));
        });
        await this.#engine.start();
        this.#failure = undefined;
        return "started";
      } catch (error) {
        this.#engine?.closeNow();
        this.#engine = undefined;
        this.#failure = describeError(error);
        throw error;
      }
    });
  }

  /** Ends after a last sync; the log says how. Never rejects. */
  stop(): Promise<End | "already_stopped"> {
    return this.#inTurn(async () => {
      const engine = this.#engine;
      if (engine === undefined) return "already_stopped";
      const end = await endWithLastSync(engine, this.#context.limits());
      this.#engine = undefined;
      this.#say(end);
      return end;
    });
  }

  async status(): Promise<DatabaseStatus> {
    if (this.#engine !== undefined) return this.#engine.status();
    return {
      path: this.path,
      state: "stopped",
      reason: this.#failure,
      position: undefined,
      pageSize: undefined,
      dbSizeBytes: undefined,
      walSizeBytes: undefined,
      shadowWalSizeBytes: undefined,
      syncCount: 0,
      replicas: [],
    };
  }

  closeNow(): void {
    try {
      this.#engine?.closeNow();
    } catch (error) {
      this.#context.log.error(`closing failed: ${describeError(error)}`, this.path);
    }
  }

  #say(end: End): void {
    const { log } = this.#context;
    if (!end.complete) {
      log.error(`stopped, and not everything is replicated: ${end.lacks}`, this.path);
    } else if (end.position === undefined) {
      const positions = [...this.#replicated].map(([replica, position]) => `replica ${replica} is at ${position}`);
      const what =
        positions.length === 0 ? "nothing was replicated, for the database was not there" : positions.join("; ");
      log.info(`stopped; ${what}`, this.path);
    } else {
      const position = formatPosition(end.position);
      log.info(`stopped; every replica is at ${position}`, this.path, { position });
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run, run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(new Error("ended before it could begin"));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => undefined);
  }
}
