import { isLitestreamError, type LitestreamError } from "../errors.ts";
import { EngineProcess, type EventReply } from "./engine-process.ts";
import type { DatabaseId } from "./protocol.ts";

const backOffFirstMs = 100;
const backOffMaxMs = 30_000;
/** A process that lived so long is started again at once. */
const goodLifeMs = 10_000;

/** A database that the child process works for. */
export interface HostedDatabase {
  onEvent(event: EventReply): void;
  /** The process ended; another one is started soon. */
  onEnd(error: LitestreamError): void;
  /** Another process is there, which knows nothing of the database yet. */
  onRestart(): void;
}

/** The one child process of this process, for all of its databases: there while there is one that it works for. */
export class ChildHost {
  readonly #databases = new Map<DatabaseId, HostedDatabase>();
  #process: EngineProcess | undefined;
  #startedAtMs = 0;
  #backOffMs = 0;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #lastId = 0;

  add(database: HostedDatabase): DatabaseId {
    const id = ++this.#lastId;
    this.#databases.set(id, database);
    return id;
  }

  /**
   * The process, started where there is none; undefined while it is about to be started again.
   * @throws LitestreamError ENGINE_ENDED when none can be started
   */
  process(): EngineProcess | undefined {
    if (this.#process === undefined && this.#restart === undefined) this.#start();
    return this.#process;
  }

  /** Closes the database, if it is still open. The process ends with the last one, which is waited for. */
  async remove(id: DatabaseId): Promise<void> {
    const process = this.#process;
    process?.close(id);
    this.#databases.delete(id);
    if (this.#databases.size > 0) return;
    clearTimeout(this.#restart);
    this.#restart = undefined;
    this.#backOffMs = 0;
    this.#process = undefined;
    await process?.end();
  }

  #start(): void {
    const started: EngineProcess = new EngineProcess({
      onEvent: (event) => this.#databases.get(event.db)?.onEvent(event),
      onEnd: (error) => {
        if (this.#process === started) this.#onEnd(error);
      },
    });
    this.#process = started;
    this.#startedAtMs = performance.now();
  }

  #onEnd(error: LitestreamError): void {
    this.#process = undefined;
    const isGoodLife = performance.now() - this.#startedAtMs >= goodLifeMs;
    this.#backOffMs = isGoodLife
      ? backOffFirstMs
      : Math.min(backOffMaxMs, Math.max(backOffFirstMs, this.#backOffMs * 2));
    for (const database of this.#databases.values()) database.onEnd(error);
    if (this.#databases.size === 0) return;
    this.#restart = setTimeout(() => {
      this.#restart = undefined;
      try {
        this.#start();
      } catch (startError) {
        if (!isLitestreamError(startError)) throw startError;
        this.#onEnd(startError);
        return;
      }
      for (const database of this.#databases.values()) database.onRestart();
    }, this.#backOffMs);
  }
}

/** Of this process. */
export const childHost: ChildHost = new ChildHost();
