import type { DatabaseStatus, ReplicaStatus } from "@litestream/core";
import { type Color, paint } from "../color.ts";
import { formatGoDuration } from "../duration.ts";
import { oneLine } from "../output.ts";
import { withHint } from "../report.ts";
import { formatBytes } from "../size.ts";
import { formatTable } from "../table.ts";
import { wrap } from "../wrap.ts";

/** A replica further behind than this is not called good. */
const lagMsMax = 60_000;

const header = ["database", "status", "replica", "lag", "position", "wal size"];

/** What one word says of a database and a replica, best first. */
type Word = "ok" | "starting" | "lagging" | "waiting" | "stopped" | "not running" | "error" | "mismatch";

const colors: Readonly<Record<Word, Color>> = {
  ok: "green",
  starting: "yellow",
  lagging: "yellow",
  waiting: "yellow",
  stopped: "yellow",
  "not running": "yellow",
  error: "red",
  mismatch: "red",
};

export interface StatusTableOptions {
  /** Long paths are cut at their beginning, so that lines have no more; undefined for no limit. */
  readonly columns: number | undefined;
  readonly isColored: boolean;
  /** Nobody replicates: what is shown is what the replicas hold. */
  readonly isRunning: boolean;
}

/** A row for each replica, with its position but without its generation; and below them, in words, what is wrong. */
export function formatStatus(databases: readonly DatabaseStatus[], options: StatusTableOptions): string {
  const rows = databases.flatMap((database) => rowsOf(database, options.isRunning));
  const cells = rows.map(({ word, cells: [path = "", ...rest] }) => ({ word, path, rest }));
  const others = formatTable(
    header.slice(1),
    cells.map(({ rest }) => rest),
  ).split("\n");
  const othersWidth = Math.max(...others.map((line) => line.length));
  const pathColumns = options.columns === undefined ? Infinity : Math.max(12, options.columns - othersWidth - 2);
  const paths = ["database", ...cells.map(({ path }) => cutPath(path, pathColumns))];
  const width = Math.max(...paths.map((path) => path.length));
  const lines = others.map((line, index) => {
    const word = cells[index - 1]?.word;
    const path = (paths[index] ?? "").padEnd(width);
    if (!options.isColored) return `${path}  ${line}`;
    if (word === undefined) return paint(`${path}  ${line}`, "bold");
    return `${path}  ${paint(line.slice(0, word.length), colors[word])}${line.slice(word.length)}`;
  });
  const problems = databases.flatMap((database) => problemsOf(database));
  const columns = options.columns ?? 80;
  const notes = problems.flatMap((problem) => {
    const [first = "", ...more] = wrap(oneLine(problem), columns - 2);
    return [first, ...more.map((line) => `  ${line}`)];
  });
  return [...lines, ...(notes.length > 0 ? ["", ...notes] : [])].map((line) => line.trimEnd()).join("\n");
}

/** Whether every database replicates, and every replica has what was committed until a moment ago. */
export function areGood(databases: readonly DatabaseStatus[]): boolean {
  return databases.flatMap((database) => rowsOf(database, true)).every(({ word }) => word === "ok");
}

function rowsOf(database: DatabaseStatus, isRunning: boolean): { word: Word; cells: string[] }[] {
  const path = oneLine(database.path);
  const wal = database.walSizeBytes === undefined ? "-" : formatBytes(database.walSizeBytes);
  if (database.replicas.length === 0) {
    const word = wordOfDatabase(database, isRunning) ?? "ok";
    return [{ word, cells: [path, word, "-", "-", "-", wal] }];
  }
  return database.replicas.map((replica) => {
    const word = wordOfDatabase(database, isRunning) ?? wordOfReplica(replica);
    const lag = replica.lagMs === undefined ? "-" : formatGoDuration(replica.lagMs);
    return { word, cells: [path, word, oneLine(replica.name), lag, shortPosition(replica), wal] };
  });
}

function wordOfDatabase({ state, reason }: DatabaseStatus, isRunning: boolean): Word | undefined {
  if (!isRunning) return "not running";
  if (state === "replicating") return undefined;
  if (state === "stopped") return reason === undefined ? "stopped" : "error";
  return state;
}

function wordOfReplica({ failure, position, lagMs, lastValidation }: ReplicaStatus): Word {
  if (lastValidation?.status === "mismatch") return "mismatch";
  if (failure !== undefined) return "error";
  if (position === undefined) return "starting";
  return lagMs !== undefined && lagMs > lagMsMax ? "lagging" : "ok";
}

/** `INDEX:OFFSET` in hexadecimal digits. */
function shortPosition({ position }: ReplicaStatus): string {
  if (position === undefined) return "-";
  const [index, offset] = [position.index, position.offset].map((part) => part.toString(16).padStart(8, "0"));
  return `${index}:${offset}`;
}

function problemsOf({ path, state, reason, replicas }: DatabaseStatus): string[] {
  const ofDatabase = reason === undefined ? [] : [`${path}: ${state === "waiting" ? "waiting: " : ""}${reason}`];
  const ofReplicas = replicas.flatMap(({ name, failure, lastValidation }) => {
    const problems: string[] = [];
    if (failure !== undefined) {
      const times = failure.count === 1 ? "" : `, ${failure.count} times`;
      const since = new Date(failure.sinceMs).toISOString().replace(/\.\d+Z$/, "Z");
      problems.push(`${withHint(failure.message, failure.hint)} (since ${since}${times})`);
    }
    if (lastValidation?.status === "mismatch") problems.push("differs from the database, as its last validation found");
    return problems.map((problem) => `${path}: replica ${name}: ${problem}`);
  });
  return [...ofDatabase, ...ofReplicas];
}

/** The end of a path says more than its beginning. */
function cutPath(path: string, columns: number): string {
  return path.length <= columns ? path : `…${path.slice(path.length - columns + 1)}`;
}
