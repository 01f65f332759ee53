import type { LitestreamEvent } from "@litestream/core";
import { describeEvent, describeUpToDate, frequentLevels } from "./describe-event.ts";
import { type FormatRecord, formatterOf } from "./format.ts";
import { type LogFields, type LogLevel, logLevels, type LogRecord, type LogType } from "./record.ts";
import { RepetitionLimit } from "./repetition-limit.ts";

export interface LogOptions {
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
  /** The least level that is written: info where absent. */
  readonly level?: LogLevel | undefined;
  /** text where absent. */
  readonly type?: LogType | undefined;
  readonly isColored?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** The log of `replicate`: observes core's events, and writes a line for each that an operator wants to see. */
export class Log {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  readonly #isColored: boolean;
  #format: FormatRecord;
  #levels: ReadonlySet<LogLevel>;
  readonly #repetitions = new RepetitionLimit();
  /** By database, the replicas that were reported as up to date since its generation began. */
  readonly #upToDate = new Map<string, Set<string>>();
  #preface: LogRecord[] = [];

  constructor(options: LogOptions) {
    this.#write = options.write;
    this.#now = options.now ?? Date.now;
    this.#isColored = options.isColored ?? false;
    this.#format = formatterOf(options.type ?? "text", this.#isColored);
    this.#levels = levelsFrom(options.level ?? "info");
  }

  /** From now on, as the configuration says after it was read again. */
  configure(options: { readonly level: LogLevel; readonly type: LogType }): void {
    this.#format = formatterOf(options.type, this.#isColored);
    this.#levels = levelsFrom(options.level);
  }

  /** A line that is written before the next other line: a start that fails at once shall leave its error alone. */
  preface(message: string, level: LogLevel = "info", db?: string): void {
    this.#preface.push({ level, message, db });
  }

  debug(message: string, db?: string, fields?: LogFields): void {
    this.#record({ level: "debug", message, db, fields });
  }

  info(message: string, db?: string, fields?: LogFields): void {
    this.#record({ level: "info", message, db, fields });
  }

  /** A warning or an error that is said again and again is written once in a while. */
  warn(message: string, db?: string, fields?: LogFields): void {
    this.#limited({ level: "warn", message, db, fields });
  }

  error(message: string, db?: string, fields?: LogFields): void {
    this.#limited({ level: "error", message, db, fields });
  }

  observe(event: LitestreamEvent): void {
    if (event.type === "generation") this.#upToDate.delete(event.db);
    if (event.type === "error" && event.replica !== undefined) this.#upToDate.get(event.db)?.delete(event.replica);
    if (event.type === "replica-sync" && this.#isNews(event.db, event.replica)) {
      this.#record(describeUpToDate(event));
      return;
    }
    if (isFrequent(event) && !this.#levels.has(frequentLevels[event.type])) return;
    const record = describeEvent(event);
    if (record.level === "warn" || record.level === "error") this.#limited(record);
    else this.#record(record);
  }

  /** False once it was said that the replica is up to date, until another generation begins or it fails. */
  #isNews(db: string, replica: string): boolean {
    const replicas = this.#upToDate.get(db) ?? new Set();
    if (replicas.has(replica)) return false;
    this.#upToDate.set(db, replicas.add(replica));
    return true;
  }

  #limited(record: LogRecord): void {
    const passed = this.#repetitions.pass(`${record.db ?? ""}\0${record.message}`, this.#now());
    if (passed === undefined) return;
    const times = passed.suppressed === 0 ? "" : ` (and ${passed.suppressed} times before this)`;
    this.#record({ ...record, message: `${record.message}${times}` });
  }

  #record(record: LogRecord): void {
    if (!this.#levels.has(record.level)) return;
    const records = [...this.#preface.filter(({ level }) => this.#levels.has(level)), record];
    this.#preface = [];
    for (const each of records) this.#write(this.#format(each, this.#now()));
  }
}

function isFrequent(event: LitestreamEvent): event is Extract<LitestreamEvent, { type: keyof typeof frequentLevels }> {
  return event.type in frequentLevels;
}

function levelsFrom(least: LogLevel): ReadonlySet<LogLevel> {
  return new Set(logLevels.slice(logLevels.indexOf(least)));
}
