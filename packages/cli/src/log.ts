import { type LitestreamEvent, formatPosition, formatWalIndex } from "@litestream/core";
import { formatDurationMs } from "./duration.ts";
import { oneLine } from "./output.ts";
import { describeError, withHint } from "./report.ts";
import { formatBytes } from "./size.ts";

/** A failure that goes on, such as a full disk, says the same at each poll: once in this time is enough. */
const repeatedMs = 30_000;

export interface LogOptions {
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

interface Repetition {
  readonly saidAtMs: number;
  suppressed: number;
}

/** The log of `replicate`: observes core's events, and writes a line for each that an operator wants to see. */
export class Log {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  readonly #repetitions = new Map<string, Repetition>();
  /** By database, the replicas that were reported as up to date since its generation began. */
  readonly #upToDate = new Map<string, Set<string>>();
  #preface: string[] = [];

  constructor(options: LogOptions) {
    this.#write = options.write;
    this.#now = options.now ?? Date.now;
  }

  /** A line that is written before the next other line: a start that fails at once shall leave its error alone. */
  preface(text: string): void {
    this.#preface.push(text);
  }

  line(text: string): void {
    const lines = [...this.#preface, text];
    this.#preface = [];
    for (const line of lines) this.#write(`${new Date(this.#now()).toISOString()} ${oneLine(line)}`);
  }

  observe(event: LitestreamEvent): void {
    switch (event.type) {
      case "waiting":
        this.line(`${event.db}: waiting for the database: ${event.reason}`);
        return;
      case "opened":
        this.line(
          `${event.db}: opened, page size ${event.pageSize}, ` +
            (event.resumed ? "going on with the generation of the last run" : "in a new generation"),
        );
        return;
      case "generation":
        this.#upToDate.delete(event.db);
        this.line(`${event.db}: new generation ${event.generation}: ${event.reason}`);
        return;
      case "snapshot":
        this.line(
          `${event.db}: snapshot ${event.generation}/${formatWalIndex(event.index)} in replica ${event.replica}: ` +
            `${formatBytes(event.bytes)} stored as ${formatBytes(event.sizeBytes)}` +
            ` in ${formatDurationMs(event.durationMs)}`,
        );
        return;
      case "replica-sync":
        this.#replicaSync(event.db, event.replica, formatPosition(event.position));
        return;
      case "warning":
        this.#limited(event.db, `warning: ${withHint(event.message, event.hint)}`);
        return;
      case "error":
        this.#error(event);
        return;
      case "retention":
        this.#retention(event);
        return;
      case "validation":
        this.#validation(event);
        return;
      // With nearly every transaction come the first four, for the trace and metrics; who stops it reports the last.
      case "sync":
      case "checkpoint":
      case "wal-compressed":
      case "replica-operation":
      case "stopped":
        return;
      default:
        event satisfies never;
    }
  }

  #retention({ db, replica, ...event }: LitestreamEvent & { type: "retention" }): void {
    if (event.deletedSnapshots + event.deletedWals === 0) return;
    this.line(
      `${db}: retention ${event.isDryRun ? "would delete" : "deleted"} ${event.deletedSnapshots} snapshots and` +
        ` ${event.deletedWals} WAL objects (${formatBytes(event.deletedBytes)}) of replica ${replica}`,
    );
  }

  #validation({ db, replica, status, ...event }: LitestreamEvent & { type: "validation" }): void {
    const at = event.position === undefined ? "" : ` at ${formatPosition(event.position)}`;
    if (status === "ok") {
      this.line(`${db}: validation of replica ${replica}: ok${at}, in ${formatDurationMs(event.durationMs)}`);
    } else if (status === "error") {
      this.#limited(db, `error: validation of replica ${replica}${at}: ${event.message ?? "it could not be made"}`);
    } else {
      const pages = event.differences.map(({ pgno, owner }) =>
        owner === undefined ? `${pgno}` : `${pgno} (${owner})`,
      );
      const kept = event.keptAt === undefined ? "" : `; both databases are kept in ${event.keptAt}`;
      this.line(
        `${db}: error: validation of replica ${replica}${at}: the replica differs from the database in pages` +
          ` ${pages.join(", ")}${kept}`,
      );
    }
  }

  /** A replica that failed is said to be up to date again once it is. */
  #error({ db, operation, error, replica }: LitestreamEvent & { type: "error" }): void {
    if (replica !== undefined) this.#upToDate.get(db)?.delete(replica);
    const where = replica === undefined ? "" : ` (replica ${replica})`;
    this.#limited(db, `error: ${operation}${where}: ${describeError(error)}`);
  }

  #replicaSync(db: string, replica: string, position: string): void {
    const replicas = this.#upToDate.get(db) ?? new Set();
    if (replicas.has(replica)) return;
    this.#upToDate.set(db, replicas.add(replica));
    this.line(`${db}: replica ${replica} is up to date at ${position}`);
  }

  /** Says a message of `db` unless it was said less than `repeatedMs` ago; then says how often it was not. */
  #limited(db: string, message: string): void {
    const now = this.#now();
    const key = `${db}\0${message}`;
    const last = this.#repetitions.get(key);
    if (last !== undefined && now - last.saidAtMs < repeatedMs) {
      last.suppressed++;
      return;
    }
    for (const [other, { saidAtMs }] of this.#repetitions) {
      if (now - saidAtMs >= repeatedMs) this.#repetitions.delete(other);
    }
    this.#repetitions.set(key, { saidAtMs: now, suppressed: 0 });
    const times = last === undefined || last.suppressed === 0 ? "" : ` (and ${last.suppressed} times before this)`;
    this.line(`${db}: ${message}${times}`);
  }
}
