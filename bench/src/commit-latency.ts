/**
 * What replication costs an application's commits: latency with no replicator, with ours, and with Litestream's
 * releases, side by side, in turns. `bun src/commit-latency.ts [--folder F] [--seconds S] [--rounds N]`
 */
import { Database } from "bun:sqlite";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { litestreamBinary } from "@litestream/e2e/litestream-binary";
import type { WriterReport, WriterTask } from "./latency-writer.ts";

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: tmpdir() },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const main = join(import.meta.dirname, "../../packages/cli/src/main.ts");

interface Replicator {
  readonly name: string;
  /** Undefined for none. */
  readonly command: ((configPath: string, tracePath: string) => string[]) | undefined;
}

async function replicators(): Promise<Replicator[]> {
  const found: Replicator[] = [
    { name: "none", command: undefined },
    {
      name: "ours",
      command: (config, trace) => [process.execPath, main, "replicate", "-config", config, "-trace", trace],
    },
  ];
  for (const version of ["v0.3.4", "v0.3.13", "v0.5.16"] as const) {
    const binary = await litestreamBinary(version);
    if (binary === undefined) console.log(`Litestream ${version} is left out: it could not be installed`);
    else found.push({ name: version, command: (config) => [binary, "replicate", "-config", config] });
  }
  return found;
}

interface Run extends WriterReport {
  /** Of our checkpoints. */
  readonly writeLockMs: readonly number[];
}

async function measure(replicator: Replicator, task: Omit<WriterTask, "path">): Promise<Run> {
  const folder = mkdtempSync(join(values.folder, "commit-latency-"));
  try {
    const path = join(folder, "app.db");
    // As an application makes it that leaves checkpoints to the replicator, or to SQLite where there is none.
    const database = new Database(path);
    database.run("PRAGMA journal_mode = wal");
    database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
    database.close();
    const [config, trace] = [join(folder, "litestream.yml"), join(folder, "trace")];
    writeFileSync(trace, "");
    writeFileSync(
      config,
      JSON.stringify({ dbs: [{ path, replicas: [{ type: "file", path: join(folder, "replica") }] }] }),
    );
    const running =
      replicator.command && Bun.spawn(replicator.command(config, trace), { stdio: ["ignore", "ignore", "ignore"] });
    if (running !== undefined) await Bun.sleep(1500);
    const writer = Bun.spawn(
      [process.execPath, join(import.meta.dirname, "latency-writer.ts"), JSON.stringify({ ...task, path })],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const report = JSON.parse(await writer.stdout.text()) as WriterReport;
    running?.kill("SIGTERM");
    await running?.exited;
    const writeLockMs = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => line.includes('"type":"checkpoint"'))
      .map((line) => (JSON.parse(line) as { writeLockMs: number }).writeLockMs)
      .filter((ms) => ms > 0);
    return { ...report, writeLockMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

const candidates = await replicators();
const loads = [
  { name: "closed loop, synchronous=NORMAL", rate: 0, synchronous: "NORMAL" },
  { name: "1000 a second, synchronous=NORMAL", rate: 1000, synchronous: "NORMAL" },
  { name: "100 a second, synchronous=NORMAL", rate: 100, synchronous: "NORMAL" },
  { name: "100 a second, synchronous=FULL", rate: 100, synchronous: "FULL" },
] as const;
for (const { name, rate, synchronous } of loads) {
  const runs = new Map<string, Run[]>(candidates.map((candidate) => [candidate.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) {
      runs.get(candidate.name)?.push(await measure(candidate, { seconds, rate, synchronous }));
    }
  }
  console.log(`\n${name}: median of ${rounds} runs of ${seconds} s\n`);
  console.log("| replicator | commits/s | p50 us | p99 us | max ms |\n| --- | ---: | ---: | ---: | ---: |");
  for (const [candidate, results] of runs) {
    const of = (pick: (run: Run) => number): number => median(results.map(pick));
    const cells = [of((run) => run.perSecond), of((run) => run.p50Us), of((run) => run.p99Us)].map((x) => x.toFixed(0));
    console.log(`| ${[candidate, ...cells, (of((run) => run.maxUs) / 1000).toFixed(1)].join(" | ")} |`);
  }
  const locks = (runs.get("ours") ?? []).flatMap((run) => run.writeLockMs);
  const [most, p50] = [Math.max(0, ...locks), median(locks)];
  console.log(
    `\nour write lock: ${locks.length} checkpoints, median ${p50.toFixed(2)} ms, at most ${most.toFixed(1)} ms`,
  );
}
