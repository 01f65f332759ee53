import type { DatabaseStatus } from "@litestream/core";
import { formatGoDuration } from "../duration.ts";
import { oneLine } from "../output.ts";

const bars = "▁▂▃▄▅▆▇█";
const unknown = "·";

/** The lag of each replica at the looks until now, as lines of bars: what the status page draws, for a terminal. */
export class LagLines {
  readonly #looksMax: number;
  /** By database and replica; undefined where nothing was known. */
  readonly #lags = new Map<string, (number | undefined)[]>();

  /** @param looksMax bars in a line; older looks are forgotten */
  constructor(looksMax: number) {
    this.#looksMax = looksMax;
  }

  note(databases: readonly DatabaseStatus[]): void {
    const seen = new Set<string>();
    for (const { path, replicas } of databases) {
      for (const { name, lagMs } of replicas) {
        const key = keyOf(path, name);
        seen.add(key);
        const lags = this.#lags.get(key) ?? [];
        lags.push(lagMs);
        if (lags.length > this.#looksMax) lags.shift();
        this.#lags.set(key, lags);
      }
    }
    for (const key of this.#lags.keys()) if (!seen.has(key)) this.#lags.delete(key);
  }

  /** One line for each of the replicas, those with the worst lag first, and no more than `linesMax`. */
  lines(databases: readonly DatabaseStatus[], linesMax: number): string[] {
    const found = databases.flatMap(({ path, replicas }) =>
      replicas.map(({ name }) => {
        const lags = this.#lags.get(keyOf(path, name)) ?? [];
        return { label: `${oneLine(path)} ${oneLine(name)}`, lags, worstMs: Math.max(0, ...lags.map((ms) => ms ?? 0)) };
      }),
    );
    found.sort((a, b) => b.worstMs - a.worstMs);
    return found
      .slice(0, linesMax)
      .map(({ label, lags, worstMs }) => `${sparkline(lags, worstMs)} at most ${formatGoDuration(worstMs)}  ${label}`);
  }
}

/** A lag below a second looks like none: there is always a moment between a commit and its replica. */
function sparkline(lags: readonly (number | undefined)[], worstMs: number): string {
  const top = Math.max(worstMs, 1000);
  return lags
    .map((lagMs) => {
      if (lagMs === undefined) return unknown;
      return bars[Math.min(bars.length - 1, Math.floor((lagMs / top) * bars.length))] ?? unknown;
    })
    .join("");
}

function keyOf(path: string, replica: string): string {
  return `${path}\0${replica}`;
}
