import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Explored } from "./histories.ts";
import { count } from "./replication.ts";
import type { RoundRecord } from "./round.ts";

const documentPath = join(import.meta.dirname, "../../../docs/soak.md");
/** In the document, the last table lies between these two lines. */
const [tableBegin, tableEnd] = ["<!-- last run: begin -->", "<!-- last run: end -->"];

export interface SoakReport {
  readonly seed: number;
  readonly minutes: number;
  readonly rounds: readonly RoundRecord[];
  readonly explored: Explored | undefined;
}

/** A run that found nothing: any mismatch would have ended it. */
export function formatTable({ seed, minutes, rounds, explored }: SoakReport): string {
  const sum = (of: (round: RoundRecord) => number): string =>
    rounds.reduce((total, round) => total + of(round), 0).toLocaleString("en");
  const sizes = [...new Set(rounds.map(({ pageSize }) => pageSize))].toSorted((a, b) => a - b);
  const rows: [string, string][] = [
    ["seed", String(seed)],
    ["time", `${minutes} minutes`],
    ["databases, one after the other", String(rounds.length)],
    ["page sizes", sizes.join(", ")],
    ["transactions acknowledged", sum((round) => round.transactions)],
    ["`kill -9` of the writer", sum((round) => round.writerKills)],
    ["of these for certain inside a commit", sum((round) => round.writerKillsInCommit)],
    ["`kill -9` of the replicator", sum((round) => round.kills)],
    ["final syncs of the replicator (SIGTERM)", sum((round) => round.finalSyncs)],
    ["checkpoints of ours", sum((round) => round.checkpoints)],
    ["WAL restarts taken as the next index", sum((round) => round.indexes)],
    ["restores at any moment, sound and with all that was reported", sum((round) => round.restores)],
    ["restores compared with the live database, page for page", sum((round) => round.comparisons)],
    ["**mismatches**", "**0**"],
    ["generations, by reason", formatCounts(rounds.map((round) => round.generations))],
    ["errors that were tried again", formatCounts(rounds.map((round) => round.errors))],
  ];
  if (explored !== undefined) {
    rows.push(
      ["random histories (packages/core/test/exploration)", explored.histories.toLocaleString("en")],
      ["their comparisons, byte for byte", explored.comparisons.toLocaleString("en")],
      ["their WAL restarts taken as the next index", explored.indexes.toLocaleString("en")],
      ["**their mismatches**", "**0**"],
      ["their generations, by reason", formatCounts([explored.generations])],
    );
  }
  return formatRows(rows);
}

/** Puts the table into docs/soak.md, in place of the last one. */
export async function saveTable(table: string): Promise<void> {
  const document = await readFile(documentPath, "utf8");
  const [before, rest] = document.split(`${tableBegin}\n`);
  const after = rest?.split(tableEnd)[1];
  if (before === undefined || after === undefined) throw new Error(`${documentPath} has no place for the table`);
  await writeFile(documentPath, `${before}${tableBegin}\n\n${table}\n\n${tableEnd}${after}`);
}

function formatCounts(all: readonly Readonly<Record<string, number>>[]): string {
  const counts: Record<string, number> = {};
  for (const one of all) for (const [name, times] of Object.entries(one)) count(counts, name, times);
  const parts = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return parts.length === 0 ? "none" : parts.map(([name, times]) => `${name}: ${times}`).join("; ");
}

function formatRows(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  const line = (name: string, value: string): string => `| ${name.padEnd(width)} | ${value.padEnd(valueWidth)} |`;
  const rule = `| ${"-".repeat(width)} | ${"-".repeat(valueWidth)} |`;
  return [line("what", ""), rule, ...rows.map(([name, value]) => line(name, value))].join("\n");
}
