export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type LogType = "text" | "json" | "pretty";

export const logLevels: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

/** What JSON lines have besides time, level and msg: `db`, `replica`, `position`, `duration_ms` and others. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One thing that happened, before it is known how it is written. */
export interface LogRecord {
  readonly level: LogLevel;
  /** A sentence for people, with the numbers in it, but without the database. */
  readonly message: string;
  /** Path of the database concerned. */
  readonly db?: string | undefined;
  readonly fields?: LogFields | undefined;
}
