import { basename } from "node:path";
import { oneLine } from "../output.ts";
import { paint } from "../color.ts";
import type { LogLevel, LogRecord, LogType } from "./record.ts";

export type FormatRecord = (record: LogRecord, timeMs: number) => string;

/** One line, without its end. `text` and `pretty` are for people, `json` has each number in a field of its own. */
export function formatterOf(type: LogType, isColored: boolean): FormatRecord {
  if (type === "json") return formatJson;
  return type === "pretty" ? (record, timeMs) => formatPretty(record, timeMs, isColored) : formatText;
}

const labels: Readonly<Record<LogLevel, string>> = {
  trace: "trace: ",
  debug: "debug: ",
  info: "",
  warn: "warning: ",
  error: "error: ",
};

function formatText({ level, message, db }: LogRecord, timeMs: number): string {
  const subject = db === undefined ? "" : `${db}: `;
  return `${new Date(timeMs).toISOString()} ${oneLine(`${subject}${labels[level]}${message}`)}`;
}

function formatJson({ level, message, db, fields }: LogRecord, timeMs: number): string {
  const record = { time: new Date(timeMs).toISOString(), level: level.toUpperCase(), msg: message, db, ...fields };
  return JSON.stringify(record);
}

const marks: Readonly<Record<LogLevel, readonly [string, Parameters<typeof paint>[1]]>> = {
  trace: ["TRC", "gray"],
  debug: ["DBG", "gray"],
  info: ["INF", "green"],
  warn: ["WRN", "yellow"],
  error: ["ERR", "red"],
};

/** The time of day where the process runs, and the database by the name of its file. */
function formatPretty({ level, message, db }: LogRecord, timeMs: number, isColored: boolean): string {
  const color = (text: string, name: Parameters<typeof paint>[1]): string => (isColored ? paint(text, name) : text);
  const [mark, markColor] = marks[level];
  const time = new Date(timeMs);
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, "0"));
  const subject = db === undefined ? "" : `${color(oneLine(basename(db)), "cyan")} `;
  return `${color(clock.join(":"), "gray")} ${color(mark, markColor)} ${subject}${oneLine(message)}`;
}
