/** What is shown of numbers and times, and how a database is judged. */

/** @import { DatabaseDocument, ReplicaDocument } from "../serve/status-document.ts" */

/** A replica that is further behind is worth a look, though it may be at work. */
const behindMs = 5000;

export const levels = /** @type {const} */ (["bad", "behind", "good"]);

/** @typedef {(typeof levels)[number]} Level */

/**
 * @typedef {object} Judgement
 * @property {Level} level
 * @property {string} text
 */

/** @param {number} ms */
export function formatDuration(ms) {
  if (ms < 1) return "0 s";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 120) return `${Math.floor(minutes)} min ${Math.round(seconds % 60)} s`;
  const hours = minutes / 60;
  if (hours < 48) return `${Math.floor(hours)} h ${Math.round(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${Math.round(hours % 24)} h`;
}

/** @param {number | undefined} bytes */
export function formatBytes(bytes) {
  if (bytes === undefined) return "–";
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Hours and minutes, in the zone of who looks. @param {number} ms since 1970 */
export function formatClock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** In the zone of who looks. @param {number | undefined} ms since 1970 */
export function formatTime(ms) {
  if (ms === undefined) return "–";
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return isToday ? time : `${date.toLocaleDateString([], { month: "short", day: "numeric" })}, ${time}`;
}

/**
 * @param {ReplicaDocument} replica
 * @param {number} lagLimitMs
 * @returns {Judgement}
 */
export function judgeReplica(replica, lagLimitMs) {
  const { failure, lagMs, lastValidation } = replica;
  if (lastValidation?.status === "mismatch") return { level: "bad", text: "differs from the database" };
  if (failure !== undefined) return { level: "bad", text: `failing since ${formatTime(failure.sinceMs)}` };
  if (lagMs === undefined) return { level: "bad", text: "nothing is replicated yet" };
  if (lagMs >= lagLimitMs) return { level: "bad", text: `${formatDuration(lagMs)} behind` };
  if (lagMs > behindMs) return { level: "behind", text: `${formatDuration(lagMs)} behind` };
  return { level: "good", text: "up to date" };
}

/**
 * A database is as bad as the worst of its replicas.
 * @param {DatabaseDocument} database
 * @param {number} lagLimitMs
 * @returns {Judgement & { lagMs: number }} the lag of the replica that is furthest behind; Infinity where one is unknown
 */
export function judge(database, lagLimitMs) {
  const { status } = database;
  if (status === undefined) return { level: "bad", text: "does not answer", lagMs: Infinity };
  if (status.state !== "replicating") {
    const why = status.reason === undefined ? "" : `: ${status.reason}`;
    return { level: "bad", text: `${status.state}${why}`, lagMs: Infinity };
  }
  const judged = status.replicas.map((replica) => judgeReplica(replica, lagLimitMs));
  const worst = judged.toSorted((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level))[0];
  const lagMs = Math.max(0, ...status.replicas.map((replica) => replica.lagMs ?? Infinity));
  if (worst === undefined) return { level: "bad", text: "it has no replica", lagMs: Infinity };
  const name = status.replicas[judged.indexOf(worst)]?.name;
  const isOne = judged.length === 1 || worst.level === "good";
  return { level: worst.level, text: isOne ? worst.text : `${name}: ${worst.text}`, lagMs };
}
