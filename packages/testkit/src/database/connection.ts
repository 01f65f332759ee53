import { fileURLToPath } from "node:url";
import { untilNotRunning } from "../fault/process-state.ts";
import type {
  ConnectionReply,
  ConnectionRequest,
  ConnectionTask,
  SqlChanges,
  SqlParameters,
  SqlRow,
} from "./connection-protocol.ts";
import type { ConnectionOptions } from "./open-database.ts";

export interface SpawnConnectionOptions extends ConnectionOptions {
  /** The database; made if it is absent, not in WAL mode until a statement says so. */
  readonly path: string;
  /** Environment variables of the process, on top of this process's. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** SQLite refused a statement of a `ConnectionProcess`; the message begins with SQLite's. */
export class SqlError extends Error {
  override readonly name = "SqlError";
  /** Such as `SQLITE_BUSY` or `SQLITE_CONSTRAINT_UNIQUE`; empty for what SQLite never got to see. */
  readonly code: string;
  readonly sql: string;

  constructor(message: string, code: string, sql: string) {
    super(message);
    this.code = code;
    this.sql = sql;
  }
}

interface Call {
  readonly sql: string;
  readonly resolve: (result: SqlRow[] | SqlChanges) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One connection in a process of its own; see `spawnConnection`. Disposal closes it, or kills it where that could not
 * be waited for: while it is stopped, or at a statement.
 */
export class ConnectionProcess implements AsyncDisposable {
  readonly path: string;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited: Promise<void>;
  readonly #calls = new Map<number, Call>();
  #nextId = 1;
  #isConnected = true;
  #isStopped = false;
  /** How the process ended, once it has; also an end that was asked for. */
  #end: string | undefined;
  #isClean = false;

  constructor(task: ConnectionTask, environment: Readonly<Record<string, string>> = {}) {
    this.path = task.path;
    // Beside this file it is TypeScript in a checkout and JavaScript in the published package.
    const script = new URL(`./connection-process${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
    this.#child = Bun.spawn([process.execPath, fileURLToPath(script), JSON.stringify(task)], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...environment },
      // JSON could carry neither blobs nor large integers.
      serialization: "advanced",
      ipc: (reply: ConnectionReply) => this.#handle(reply),
      onDisconnect: () => {
        this.#isConnected = false;
      },
    });
    this.#exited = this.#untilExit();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Settles when the connection is open. Rejects if it cannot be opened. */
  async ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Runs a statement, or several if there are no parameters. Rejects with `SqlError` if SQLite refuses it, and if the
   * process ends before it has answered. Stays pending while the process is stopped.
   */
  async run(sql: string, params: SqlParameters = []): Promise<SqlChanges> {
    const result = await this.#call("run", sql, params);
    if (Array.isArray(result)) throw new Error(`${this.#name} answered a run with rows`);
    return result;
  }

  /** Runs one statement and resolves to its rows. Rejects as `run` does. */
  async all(sql: string, params: SqlParameters = []): Promise<SqlRow[]> {
    const result = await this.#call("all", sql, params);
    if (!Array.isArray(result)) throw new Error(`${this.#name} answered a query without rows`);
    return result;
  }

  /**
   * Closes the connection after the statements before, as an application that ends well, and waits until the process
   * is gone. An open transaction is rolled back. Rejects if the process ends, or ended, in another way.
   */
  async close(): Promise<void> {
    this.#send({ type: "close" });
    await this.#exited;
    if (!this.#isClean) throw new Error(`${this.#name} ${this.#end ?? "is gone"}, and was not closed`);
  }

  /** Ends the process wherever it is (`kill -9`) and waits until it is gone. The WAL stays as it was. */
  async kill(): Promise<void> {
    if (this.#end === undefined) this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Halts the process wherever it is, with whatever locks it holds. On Linux it resolves when that has happened. */
  async stop(): Promise<void> {
    this.#requireRunning();
    this.#isStopped = true;
    this.#child.kill("SIGSTOP");
    if (process.platform === "linux") await untilNotRunning(this.pid);
  }

  /** Lets a stopped process go on. */
  resume(): void {
    this.#requireRunning();
    this.#isStopped = false;
    this.#child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end !== undefined) return;
    if (this.#isStopped || this.#calls.size > 0) await this.kill();
    else await this.close();
  }

  get #name(): string {
    return `process ${this.pid} with a connection to ${this.path}`;
  }

  #requireRunning(): void {
    if (this.#end !== undefined) throw new Error(`${this.#name} ${this.#end}`);
  }

  #send(request: ConnectionRequest): void {
    // A process that has hung up is on its way out, and its exit settles what it was asked.
    const { exitCode, signalCode } = this.#child;
    if (this.#isConnected && exitCode === null && signalCode === null) this.#child.send(request);
  }

  async #call(type: "run" | "all", sql: string, params: SqlParameters): Promise<SqlRow[] | SqlChanges> {
    this.#requireRunning();
    const { promise, resolve, reject } = Promise.withResolvers<SqlRow[] | SqlChanges>();
    const id = this.#nextId++;
    this.#calls.set(id, { sql, resolve, reject });
    this.#send({ type, id, sql, params });
    return promise;
  }

  #handle(reply: ConnectionReply): void {
    if (reply.type === "ready") {
      this.#ready.resolve();
      return;
    }
    const call = this.#calls.get(reply.id);
    if (call === undefined) return;
    this.#calls.delete(reply.id);
    if (reply.type === "result") call.resolve(reply.result);
    else call.reject(new SqlError(`${reply.message} (${this.#name}, at: ${call.sql})`, reply.code, call.sql));
  }

  async #untilExit(): Promise<void> {
    const [stderr, exitCode] = await Promise.all([this.#child.stderr.text(), this.#child.exited]);
    const { signalCode } = this.#child;
    const end = signalCode === null ? `exited with ${exitCode}` : `was ended by ${signalCode}`;
    this.#end = stderr.trim() === "" ? end : `${end} (${stderr.trim()})`;
    this.#isClean = signalCode === null && exitCode === 0;
    this.#ready.reject(new Error(`${this.#name} ${this.#end} before it was open`));
    for (const { sql, reject } of this.#calls.values()) {
      reject(new Error(`${this.#name} ${this.#end} before it answered: ${sql}`));
    }
    this.#calls.clear();
  }
}

/**
 * Opens a connection in a process of its own, to which statements can be sent: `await using other = await
 * spawnConnection({ path })`. What it does to locks, to the WAL and at its end is what another application would do.
 */
export async function spawnConnection(options: SpawnConnectionOptions): Promise<ConnectionProcess> {
  const { environment, ...task } = options;
  const connection = new ConnectionProcess(task, environment);
  await connection.ready();
  return connection;
}
