/**
 * Measures everything side by side with Litestream's releases, and makes the tables and pictures of docs/benchmarks.md:
 *
 *     bun run bench [--only NAME,NAME] [--quick] [--rounds N] [--folder F] [--no-docs]
 *
 * `--quick` shows the same with less of everything, `--only` leaves what is known of the other workloads as it is, and
 * `--no-docs` only prints. The folder is on the disk that is measured.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeMachine, describeVersions } from "./machine.ts";
import { findReplicators } from "./replicators/replicator.ts";
import { resultsPath, writeDocs } from "./report/docs.ts";
import { readResults, type Results, writeResults } from "./report/results.ts";
import { runWorkload } from "./run.ts";
import { workloads } from "./workloads/all.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    folder: { type: "string", default: tmpdir() },
    "no-docs": { type: "boolean", default: false },
  },
});
const scale = values.quick ? "quick" : "full";
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
if (!(rounds >= 1)) throw new Error("--rounds is a number from 1 on");
const only = values.only?.split(",");
const unknown = only?.find((name) => !workloads.some((workload) => workload.name === name));
if (unknown !== undefined) {
  throw new Error(`no workload "${unknown}"; there are ${workloads.map(({ name }) => name).join(", ")}`);
}

mkdirSync(values.folder, { recursive: true });
const folder = mkdtempSync(join(values.folder, "litestream-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

const replicators = await findReplicators();
let results: Results = {
  machine: describeMachine(),
  versions: describeVersions(replicators),
  workloads: readResults(resultsPath)?.workloads ?? {},
};
for (const workload of workloads) {
  if (only !== undefined && !only.includes(workload.name)) continue;
  const lack = await workload.unavailable?.();
  if (lack !== undefined) {
    console.error(`${workload.name} is left out: ${lack}`);
    continue;
  }
  const result = await runWorkload(workload, replicators, { scale, rounds, folder, say: console.log });
  results = { ...results, workloads: { ...results.workloads, [workload.name]: result } };
  if (values["no-docs"]) continue;
  // After each workload: a run takes long, and what it has found so far shall stay when it is interrupted.
  results = writeResults(resultsPath, results);
  await writeDocs(results, workloads);
}
