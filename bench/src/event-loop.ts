/**
 * What the event loop of an application feels of a snapshot: how late a timer of 1 ms is without replication, with the
 * engine in its child process, and in line, in turns. `bun src/event-loop.ts [--megabytes N] [--rounds N] [--folder F]`
 *
 * `--alone` gives the application's main thread, and nothing else, real-time priority (`chrt`): then what other
 * programs of a busy machine do does not count, and neither does that the child takes a core.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { generateDatabase } from "@litestream/testkit";
import type { EventLoopReport, EventLoopTask } from "./event-loop-app.ts";

const { values } = parseArgs({
  options: {
    megabytes: { type: "string", default: "500" },
    rounds: { type: "string", default: "7" },
    folder: { type: "string", default: tmpdir() },
    alone: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const engines = ["none", "child", "inline"] as const;

async function measure(task: EventLoopTask): Promise<EventLoopReport> {
  const script = join(import.meta.dirname, "event-loop-app.ts");
  const first = values.alone ? ["chrt", "--reset-on-fork", "--rr", "1"] : [];
  const child = Bun.spawn([...first, process.execPath, script, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(await child.stdout.text()) as EventLoopReport;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

const folder = mkdtempSync(join(values.folder, "event-loop-"));
try {
  const path = join(folder, "app.db");
  await generateDatabase(path, { seed: 1, sizeBytes: Number(values.megabytes) * 1e6 });
  const reports = new Map<EventLoopTask["engine"], EventLoopReport[]>(engines.map((engine) => [engine, []]));
  let durationMs = 2000;
  for (let round = 0; round < rounds; round++) {
    for (const engine of engines) {
      const replicaPath = join(folder, "replica");
      const report = await measure({ path, replicaPath, engine, durationMs });
      if (engine === "child") ({ durationMs } = report);
      reports.get(engine)?.push(report);
      for (const name of ["replica", ".app.db-litestream"])
        rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
  console.log(`A snapshot of ${values.megabytes} MB, median of ${rounds} rounds in turns\n`);
  console.log("| engine | time | timer late: p50 | p99 | max |\n| --- | ---: | ---: | ---: | ---: |");
  for (const [engine, all] of reports) {
    const of = (pick: (report: EventLoopReport) => number): string => median(all.map(pick)).toFixed(2);
    const cells = [of((r) => r.durationMs / 1000), of((r) => r.p50Ms), of((r) => r.p99Ms), of((r) => r.maxMs)];
    console.log(`| ${engine} | ${cells[0]} s | ${cells.slice(1).join(" ms | ")} ms |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
