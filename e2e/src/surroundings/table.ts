import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SurroundingsRecord } from "./surroundings.ts";

const documentPath = join(import.meta.dirname, "../../../docs/operations.md");
/** In the document, the last table lies between these two lines. */
const [tableBegin, tableEnd] = ["<!-- last run: begin -->", "<!-- last run: end -->"];

/** Of a run that found nothing: anything lost or corrupt would have ended it. */
export function formatSurroundings(record: SurroundingsRecord): string {
  const { memoryBytes } = record;
  const fifth = Math.max(1, Math.floor(memoryBytes.length / 5));
  const megabytes = (samples: readonly number[]): string =>
    `${(samples.reduce((sum, bytes) => sum + bytes, 0) / samples.length / 1e6).toFixed(0)} MB`;
  const rows: [string, string][] = [
    ["seed", String(record.seed)],
    ["time", `${(record.durationMs / 60_000).toFixed(0)} minutes`],
    ["transactions acknowledged", record.transactions.toLocaleString("en")],
    ["restores compared with what was acknowledged", record.comparisons.toLocaleString("en")],
    ["**lost**", "**0**"],
    ["**corrupt**", "**0**"],
    [
      "memory of the process that replicates, first and last fifth",
      `${megabytes(memoryBytes.slice(0, fifth))}, ${megabytes(memoryBytes.slice(-fifth))}`,
    ],
    ...sorted(record.happened),
    ...sorted(record.counts),
  ];
  const lines = rows.map(([what, value]) => `| ${what} | ${value} |`);
  return ["| what | |", "| --- | ---: |", ...lines].join("\n");
}

function sorted(counts: Readonly<Record<string, number>>): [string, string][] {
  return Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, times]) => [what, times.toLocaleString("en")]);
}

/** Puts the table into docs/operations.md, in place of the last one. */
export async function saveSurroundings(table: string): Promise<void> {
  const document = await readFile(documentPath, "utf8");
  const [before, rest] = document.split(`${tableBegin}\n`);
  const after = rest?.split(tableEnd)[1];
  if (before === undefined || after === undefined) throw new Error(`${documentPath} has no place for the table`);
  await writeFile(documentPath, `${before}${tableBegin}\n\n${table}\n\n${tableEnd}${after}`);
}
