import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Acknowledgement, readAcknowledgements } from "./acknowledgement-log.ts";
import { type TempFolder, tempFolder } from "../database/temp-folder.ts";
import type { CreationOptions } from "../database/open-database.ts";
import { type LoadShape, requireLoadShape } from "./load-shape.ts";
import { withDefaults, type WorkloadOptions } from "./options.ts";
import { profiles } from "./profiles/profiles.ts";
import type { WriterCommand, WriterReport, WriterTask } from "./writer-protocol.ts";

export interface WriterOptions extends WorkloadOptions, Pick<CreationOptions, "autoVacuum"> {
  /** The database; made in WAL mode if absent, continued if it holds the same workload. */
  readonly path: string;
  /** Transactions to write. Default: until stopped. */
  readonly transactions?: number;
  /** When transactions fall due. Default: each as soon as the one before is acknowledged. */
  readonly shape?: LoadShape;
  /** Transactions per second: short for a `shape` of type `constant`. */
  readonly rate?: number;
  /**
   * After the last transaction: close the database and exit, or hold the connection open, idle, until stopped.
   * Default `close`.
   */
  readonly whenDone?: "close" | "hold";
  /** Milliseconds the writer waits for a lock before it fails. Default 5000. */
  readonly busyTimeoutMs?: number;
  /** `PRAGMA synchronous`. Default `normal`. */
  readonly synchronous?: "off" | "normal" | "full" | "extra";
  /** Pages of WAL after which the writer's own commits checkpoint; 0 for never. Default 1000, as SQLite. */
  readonly autocheckpointPages?: number;
  /** The acknowledgement log; appended to if it exists. Default: in a temporary folder that disposal removes. */
  readonly logPath?: string;
  /**
   * fdatasync the log after each line, before the next transaction. Default false: it survives the process, not the
   * machine.
   */
  readonly durable?: boolean;
  /** Environment variables of the writer process, on top of this process's. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a writer ended. */
export interface WriterExit {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | number | null;
  /** Standard error, empty when all went well. */
  readonly stderr: string;
}

interface Waiter {
  readonly until: Milestone;
  readonly resolve: (n: number) => void;
  readonly reject: (error: Error) => void;
}

/** `ready`: the schema is there. A number: that transaction is acknowledged. `done`: all that were asked for are. */
type Milestone = number | "ready" | "done";

/** A writer in a process of its own; see `spawnWriter`. Disposal kills it if it still runs. */
export class WriterProcess implements AsyncDisposable {
  readonly path: string;
  readonly logPath: string;
  /** Settles when the process is gone; never rejects. */
  readonly exited: Promise<WriterExit>;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #logFolder: TempFolder | undefined;
  readonly #waiters = new Set<Waiter>();
  #isConnected = true;
  #isReady = false;
  #reached = 0;
  #isDone = false;
  #exit: WriterExit | undefined;

  constructor(task: WriterTask, logFolder: TempFolder | undefined, environment: Readonly<Record<string, string>> = {}) {
    this.path = task.path;
    this.logPath = task.logPath;
    this.#logFolder = logFolder;
    // Beside this file it is TypeScript in a checkout and JavaScript in the published package.
    const script = new URL(`./writer-process${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
    this.#child = Bun.spawn([process.execPath, fileURLToPath(script), JSON.stringify(task)], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...environment },
      ipc: (report: WriterReport) => this.#handle(report),
      onDisconnect: () => {
        this.#isConnected = false;
      },
    });
    this.exited = this.#untilExit();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Settles when the database is open and its schema made. Rejects if the process ends before. */
  async ready(): Promise<void> {
    await this.#wait("ready");
  }

  /**
   * Resolves when transaction `n` is acknowledged, to `n`.
   * Rejects if the writer ends, or has written all it was asked for, before that.
   */
  async waitFor(n: number): Promise<number> {
    const acknowledged = this.#wait(n);
    this.#send({ type: "waitFor", n });
    return acknowledged;
  }

  /** Resolves when all transactions asked for are acknowledged, to the number of the last one. */
  async waitUntilDone(): Promise<number> {
    return this.#wait("done");
  }

  /** All acknowledged transactions, as the log has them now. */
  acknowledged(): Acknowledgement[] {
    return readAcknowledgements(this.logPath);
  }

  /** Number of the last acknowledged transaction, 0 before the first. */
  lastAcknowledged(): number {
    return this.acknowledged().at(-1)?.n ?? 0;
  }

  /** Lets the writer finish its transaction, close the database and exit. Rejects unless it exits with 0. */
  async stop(): Promise<void> {
    this.#send({ type: "stop" });
    const exit = await this.exited;
    if (exit.exitCode !== 0) throw new Error(`the writer of ${this.path} ${describeExit(exit)}`);
  }

  /** Ends the writer wherever it is (`kill -9`) and waits until it is gone. The WAL stays as it was. */
  async kill(): Promise<WriterExit> {
    if (this.#exit === undefined) this.#child.kill("SIGKILL");
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _ = this.#logFolder;
    await this.kill();
  }

  async #untilExit(): Promise<WriterExit> {
    const [stderr, exitCode] = await Promise.all([this.#child.stderr.text(), this.#child.exited]);
    const { signalCode } = this.#child;
    const exit = { exitCode: signalCode === null ? exitCode : null, signal: signalCode, stderr: stderr.trim() };
    this.#exit = exit;
    // Reports may have died with the process; the log has not.
    if (existsSync(this.logPath)) this.#reached = Math.max(this.#reached, this.lastAcknowledged());
    if (exit.exitCode === 0) this.#isDone = true;
    this.#settle();
    return exit;
  }

  #handle(report: WriterReport): void {
    this.#isReady = true;
    this.#reached = Math.max(this.#reached, report.n);
    if (report.type === "done") this.#isDone = true;
    this.#settle();
  }

  #send(command: WriterCommand): void {
    // A writer that has hung up is on its way out, and its exit settles what it was asked.
    const { exitCode, signalCode } = this.#child;
    if (this.#isConnected && exitCode === null && signalCode === null) this.#child.send(command);
  }

  #wait(until: Milestone): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiters.add({ until, resolve, reject });
    this.#settle();
    return promise;
  }

  #settle(): void {
    for (const waiter of this.#waiters) {
      if (this.#isPast(waiter.until)) waiter.resolve(typeof waiter.until === "number" ? waiter.until : this.#reached);
      else if (this.#exit !== undefined || this.#isDone) waiter.reject(this.#missed(waiter.until));
      else continue;
      this.#waiters.delete(waiter);
    }
  }

  #isPast(until: Milestone): boolean {
    if (until === "ready") return this.#isReady;
    if (until === "done") return this.#isDone;
    return this.#reached >= until;
  }

  #missed(until: Milestone): Error {
    const awaited = typeof until === "number" ? `transaction ${until} was acknowledged` : `it was ${until}`;
    const end = this.#exit === undefined ? "was done" : describeExit(this.#exit);
    return new Error(`the writer of ${this.path} ${end} before ${awaited}; the last acknowledged is ${this.#reached}`);
  }
}

/**
 * Starts a process that writes the seeded transactions of `Workload` to a WAL database, one after the other, and
 * logs each when its COMMIT has returned. `await using writer = await spawnWriter(…)`. Resolves when the schema is
 * there.
 */
export async function spawnWriter(options: WriterOptions): Promise<WriterProcess> {
  const workload = withDefaults(options);
  const shape = shapeOf(options);
  const logFolder = options.logPath === undefined ? await tempFolder() : undefined;
  const task: WriterTask = {
    path: options.path,
    logPath: options.logPath ?? join(logFolder?.path ?? "", "acknowledged.log"),
    workload,
    pageSize: workload.pageSize,
    autoVacuum: options.autoVacuum ?? profiles[workload.profile].autoVacuum ?? "none",
    transactions: options.transactions ?? null,
    shape,
    whenDone: options.whenDone ?? "close",
    busyTimeoutMs: options.busyTimeoutMs ?? 5000,
    synchronous: options.synchronous ?? "normal",
    autocheckpointPages: options.autocheckpointPages ?? 1000,
    durable: options.durable ?? false,
  };
  const writer = new WriterProcess(task, logFolder, options.environment);
  try {
    await writer.ready();
    return writer;
  } catch (error) {
    await writer[Symbol.asyncDispose]();
    throw error;
  }
}

function describeExit(exit: WriterExit): string {
  const end = exit.signal === null ? `exited with ${exit.exitCode}` : `was ended by ${exit.signal}`;
  return exit.stderr === "" ? end : `${end} (${exit.stderr})`;
}

function shapeOf({ shape, rate }: WriterOptions): LoadShape | null {
  if (shape !== undefined && rate !== undefined) throw new Error("a writer has a shape or a rate, not both");
  const wanted: LoadShape | undefined = rate === undefined ? shape : { type: "constant", rate };
  if (wanted === undefined) return null;
  requireLoadShape(wanted);
  return wanted;
}
