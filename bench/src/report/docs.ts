import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Workload } from "../workloads/workload.ts";
import { chartOf } from "./chart.ts";
import { describeResults } from "./markdown.ts";
import type { Results } from "./results.ts";

const root = join(import.meta.dirname, "../../..");
const docsPath = join(root, "docs/benchmarks.md");
const picturesFolder = join(root, "docs/benchmarks");
export const resultsPath: string = join(picturesFolder, "results.json");

const [begin, end] = ["<!-- bench: generated from here -->", "<!-- bench: to here -->"];

/** Replaces the generated part of docs/benchmarks.md, and its pictures; the rest is written by hand. */
export async function writeDocs(results: Results, workloads: readonly Workload[]): Promise<void> {
  mkdirSync(picturesFolder, { recursive: true });
  for (const workload of workloads) {
    const result = results.workloads[workload.name];
    if (result !== undefined) writeFileSync(join(picturesFolder, `${workload.name}.svg`), chartOf(workload, result));
  }
  const text = describeResults(results, workloads, ({ name }) => `benchmarks/${name}.svg`);
  const page = readFileSync(docsPath, "utf8");
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${docsPath} has no place between "${begin}" and "${end}"`);
  writeFileSync(docsPath, `${page.slice(0, from)}${begin}\n\n${text}\n\n${page.slice(to)}`);
  await format([docsPath, resultsPath]);
}

/** As `npm run format` would, so that the next check of the format has nothing to say. */
async function format(paths: readonly string[]): Promise<void> {
  const child = Bun.spawn([process.execPath, "--bun", "run", "--silent", "oxfmt", ...paths], { cwd: root });
  if ((await child.exited) !== 0) throw new Error("what was generated could not be formatted");
}
