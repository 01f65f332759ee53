/** The writer that `spawnWriter` runs: a separate process that does nothing but write transactions and log them. */
import { openWalDatabase } from "../database/open-database.ts";
import { AcknowledgementLog } from "./acknowledgement-log.ts";
import { runWorkload } from "./run-workload.ts";
import { Workload } from "./workload.ts";
import type { WriterCommand, WriterReport, WriterTask } from "./writer-protocol.ts";

class Writer {
  readonly #task: WriterTask;
  readonly #awaited = new Set<number>();
  readonly #stop = new AbortController();
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
    this.#stop.abort();
  }

  async run(): Promise<void> {
    const { workload: options, transactions, shape, whenDone } = this.#task;
    using database = openWalDatabase(this.#task.path, this.#task);
    using workload = new Workload(database, options);
    using log = new AcknowledgementLog(this.#task.logPath, this.#task.durable);
    this.#acknowledged = workload.committed;
    report({ type: "ready", n: this.#acknowledged });

    const { signal } = this.#stop;
    await runWorkload(workload, {
      signal,
      ...(transactions === null ? {} : { transactions }),
      ...(shape === null ? {} : { shape }),
      onCommit: (n) => {
        log.append(n);
        this.#acknowledge(n);
      },
    });
    report({ type: "done", n: this.#acknowledged });
    if (whenDone === "hold" && !signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
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
