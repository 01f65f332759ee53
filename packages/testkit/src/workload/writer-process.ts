/** The writer that `spawnWriter` runs: a separate process that does nothing but write transactions and log them. */
import { constants, Database } from "bun:sqlite";
import { AcknowledgementLog } from "./acknowledgement-log.ts";
import { Workload } from "./workload.ts";
import type { WriterCommand, WriterReport, WriterTask } from "./writer-protocol.ts";

/** Milliseconds of writing after which the event loop gets a turn, to hear the parent. */
const writingSliceMs = 2;

class Writer {
  readonly #task: WriterTask;
  readonly #awaited = new Set<number>();
  readonly #stop = Promise.withResolvers<void>();
  #stopping = false;
  #acknowledged = 0;

  constructor(task: WriterTask) {
    this.#task = task;
  }

  handle(command: WriterCommand): void {
    if (command.type === "stop") this.stop();
    else if (command.n <= this.#acknowledged) report({ type: "acknowledged", n: command.n });
    else this.#awaited.add(command.n);
  }

  stop(): void {
    this.#stopping = true;
    this.#stop.resolve();
  }

  async run(): Promise<void> {
    using database = openDatabase(this.#task);
    using workload = new Workload(database, this.#task);
    using log = new AcknowledgementLog(this.#task.logPath, this.#task.durable);
    this.#acknowledged = workload.committed;
    report({ type: "ready", n: this.#acknowledged });

    const { transactions, rate, whenDone } = this.#task;
    const total = transactions ?? Infinity;
    const startMs = performance.now();
    let written = 0;
    while (written < total && !this.#stopping) {
      const sliceStartMs = performance.now();
      const due = rate === null ? total : Math.min(total, 1 + Math.floor(((sliceStartMs - startMs) / 1000) * rate));
      while (written < due && !this.#stopping && performance.now() - sliceStartMs < writingSliceMs) {
        const n = workload.commitNext();
        log.append(n);
        written++;
        this.#acknowledge(n);
      }
      const waitMs = rate === null || written < due ? 0 : startMs + (written / rate) * 1000 - performance.now();
      if (waitMs >= 1) await this.#sleep(waitMs);
      else await new Promise(setImmediate);
    }
    report({ type: "done", n: this.#acknowledged });
    if (whenDone === "hold") await this.#stop.promise;
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#stop.promise]);
    clearTimeout(timer);
  }

  #acknowledge(n: number): void {
    this.#acknowledged = n;
    if (this.#awaited.size === 0) return;
    for (const awaited of this.#awaited) {
      if (awaited > n) continue;
      this.#awaited.delete(awaited);
      report({ type: "acknowledged", n: awaited });
    }
  }
}

function openDatabase(task: WriterTask): Database {
  const database = new Database(task.path, { create: true, readwrite: true });
  database.run(`PRAGMA busy_timeout = ${task.busyTimeoutMs}`);
  database.run(`PRAGMA page_size = ${task.pageSize}`);
  database.run("PRAGMA journal_mode = WAL");
  database.run(`PRAGMA synchronous = ${task.synchronous}`);
  database.run(`PRAGMA wal_autocheckpoint = ${task.autocheckpointPages}`);
  // A writer stands for an ordinary application, whatever default the SQLite at hand was built with.
  database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 0);
  return database;
}

function report(message: WriterReport): void {
  // A parent that is gone cannot be told; `disconnect` stops this writer.
  if (process.connected) process.send?.(message);
}

const [, , taskJson] = process.argv;
if (taskJson === undefined) throw new Error("the writer process is started by spawnWriter, with its task");
const writer = new Writer(JSON.parse(taskJson) as WriterTask);
process.on("message", (command: WriterCommand) => writer.handle(command));
process.on("disconnect", () => writer.stop());
process.on("SIGTERM", () => writer.stop());
process.on("SIGINT", () => writer.stop());
await writer.run();
process.disconnect?.();
