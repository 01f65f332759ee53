import { join } from "node:path";
import { type ObservedProcess, type ProcessExit, spawnProcess } from "@litestream/testkit";
import type { ReplicatingReport, ReplicatingTask } from "./replicating-protocol.ts";

type ReportOf<T extends ReplicatingReport["type"]> = Extract<ReplicatingReport, { type: T }>;

/** The engine in a process of its own, seen through what it says. Disposal kills it. */
export class Replicating implements AsyncDisposable {
  readonly #process: ObservedProcess;
  #taken = 0;
  readonly #reports: ReplicatingReport[] = [];

  constructor(task: ReplicatingTask) {
    const script = join(import.meta.dirname, "replicating-process.ts");
    this.#process = spawnProcess({ command: [process.execPath, script, JSON.stringify(task)] });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<ProcessExit> {
    return this.#process.exited;
  }

  /** All of one kind, until now. */
  reports<T extends ReplicatingReport["type"]>(type: T): ReportOf<T>[] {
    const lines = this.#process.events;
    for (; this.#taken < lines.length; this.#taken++) {
      this.#reports.push(JSON.parse(lines[this.#taken] ?? "") as ReplicatingReport);
    }
    return this.#reports.filter((report): report is ReportOf<T> => report.type === type);
  }

  /** Everything that was acknowledged before this, in milliseconds since 1970, was reported as replicated. */
  asOfMs(): number {
    return Math.max(0, ...this.reports("replicated").map(({ asOfMs }) => asOfMs));
  }

  /** The first report, past or future, that `isAwaited`. @throws if the process ends without one */
  async waitFor(isAwaited: (report: ReplicatingReport) => boolean): Promise<ReplicatingReport> {
    for (let n = 1; ; n++) {
      const report = JSON.parse(await this.#process.waitForEvent(n)) as ReplicatingReport;
      if (isAwaited(report)) return report;
    }
  }

  /** Resolves when everything acknowledged at `ms` is reported as replicated; something has to be written after it. */
  async waitForAsOf(ms: number): Promise<void> {
    await this.waitFor((report) => report.type === "replicated" && report.asOfMs > ms);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<ProcessExit> {
    return await this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
