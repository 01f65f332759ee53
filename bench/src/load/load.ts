import { join } from "node:path";
import type { LoadSize } from "./transaction.ts";

export interface LoadTask {
  /** Made by `prepareLoad`. */
  readonly path: string;
  readonly size: LoadSize;
  /** Another one for each load of a database: SQLite leaves pages alone that get what they have. */
  readonly seed: number;
  /** How long to write; null for as long as the transactions take. */
  readonly seconds: number | null;
  readonly transactions?: number;
  /** Transactions per second; undefined for one after the other. */
  readonly perSecond?: number;
  readonly synchronous: "NORMAL" | "FULL";
  /** Pages after which the writer checkpoints by itself: 0 leaves it to the replicator. */
  readonly autocheckpointPages: number;
  /** Keeps the database open until it is stopped. */
  readonly holds: boolean;
}

export interface LoadReport {
  /** Of each transaction, from the first on: milliseconds since 1970. */
  readonly committedAtMs: readonly number[];
  /** How long each took. */
  readonly latencyUs: readonly number[];
  readonly seconds: number;
}

/** What a workload says of its load; the rest is as Litestream's documentation advises. */
export type LoadOptions = Pick<LoadTask, "path" | "size" | "seconds"> & Partial<LoadTask>;

/** Those that still run when a benchmark is interrupted. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A writer in a process of its own. Disposal ends it. */
export class Load implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #report: Promise<LoadReport>;

  constructor(options: LoadOptions) {
    const task: LoadTask = { seed: 1, synchronous: "NORMAL", autocheckpointPages: 0, holds: true, ...options };
    const script = join(import.meta.dirname, "load-process.ts");
    this.#child = Bun.spawn([process.execPath, script, JSON.stringify(task)], { stdio: ["ignore", "pipe", "inherit"] });
    running.add(this.#child);
    this.#report = this.#firstLine();
  }

  /** Resolves when the last transaction is committed. */
  done(): Promise<LoadReport> {
    return this.#report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
    running.delete(this.#child);
  }

  async #firstLine(): Promise<LoadReport> {
    let line = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      line += text;
      if (line.endsWith("\n")) return JSON.parse(line) as LoadReport;
    }
    throw new Error(`the writer ended with exit code ${await this.#child.exited} before its report`);
  }
}
