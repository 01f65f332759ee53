/**
 * Restore, side by side with Litestream's releases, in turns: the same database, replicated in each layout, restored
 * with each command that reads it, each in a process of its own, from start to exit.
 *
 *     bun src/restore.ts [--megabytes 170] [--rounds 7] [--folder F] [--layouts whole,segments,ltx] [--quick]
 *
 * `--folder` keeps the replicas for the next run, and needs 5 times the size; `--quick` takes 30 MB and 2 rounds.
 * Replicas are in the page cache.
 */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { commandLine, type Outcome, restoreWithCommand, run } from "@litestream/e2e/command";
import { litestreamBinary, type LitestreamVersion } from "@litestream/e2e/litestream-binary";
import { restoreWithLitestream } from "@litestream/e2e/litestream-process";
import { committedPrefix, integrityCheck, tempFolder } from "@litestream/testkit";
import { makeReplica, type ReplicaToRestore } from "./restore-replicas.ts";

const { values } = parseArgs({
  options: {
    megabytes: { type: "string" },
    rounds: { type: "string" },
    folder: { type: "string" },
    quick: { type: "boolean", default: false },
    layouts: { type: "string", default: "whole,segments,ltx" },
  },
});
const megabytes = Number(values.megabytes ?? (values.quick ? 30 : 170));
const rounds = Number(values.rounds ?? (values.quick ? 2 : 7));
if (!(megabytes >= 1 && rounds >= 1)) throw new Error("--megabytes and --rounds are numbers from 1 on");

/** A layout, who writes it, and which of Litestream's releases read it beside ours. */
interface Layout {
  readonly name: string;
  /** Undefined where our command writes it. */
  readonly writer: LitestreamVersion | undefined;
  readonly readers: readonly LitestreamVersion[];
}

const layouts: readonly Layout[] = [
  { name: "whole", writer: undefined, readers: ["v0.3.4"] },
  { name: "segments", writer: "v0.3.13", readers: ["v0.3.13"] },
  { name: "ltx", writer: "v0.5.16", readers: ["v0.5.16"] },
];

interface Candidate {
  readonly name: string;
  readonly restore: (outputPath: string) => Promise<Outcome>;
}

interface Measured {
  readonly durationMs: number[];
  readonly cpuMs: number[];
  readonly peakBytes: number[];
  sizeBytes: number;
}

async function candidatesFor(layout: Layout, replica: ReplicaToRestore): Promise<Candidate[]> {
  // Ours looks at what it restored, which none of the others does by itself.
  const unchecked = [...commandLine, "restore", "-integrity-check", "none", "-o"];
  const candidates: Candidate[] = [
    { name: "ours", restore: (outputPath) => restoreWithCommand(replica.path, outputPath) },
    { name: "ours, -integrity-check none", restore: (outputPath) => run([...unchecked, outputPath, replica.path]) },
  ];
  for (const version of layout.readers) {
    const binary = await litestreamBinary(version);
    if (binary === undefined) continue;
    candidates.push({
      name: version,
      restore: (outputPath) => restoreWithLitestream(binary, replica.path, outputPath),
    });
  }
  return candidates;
}

/** Removes the restored file and, in the first round, what it holds is checked before. */
async function measure(candidate: Candidate, replica: ReplicaToRestore, into: Measured, path: string): Promise<void> {
  const outcome = await candidate.restore(path);
  if (outcome.exitCode !== 0) throw new Error(`${candidate.name} failed: ${outcome.stderr}`);
  into.sizeBytes = statSync(path).size;
  if (into.durationMs.length === 0) {
    const [committed, check] = [committedPrefix(path), integrityCheck(path)];
    if (committed !== replica.transactions || check !== "ok") {
      throw new Error(`${candidate.name} gave ${committed} of ${replica.transactions} transactions; check: ${check}`);
    }
  }
  into.durationMs.push(outcome.durationMs);
  into.cpuMs.push(outcome.cpuMs ?? Number.NaN);
  into.peakBytes.push(outcome.peakMemoryBytes ?? Number.NaN);
  rmSync(path);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

await using temporary = values.folder === undefined ? await tempFolder() : undefined;
const folder = join(temporary?.path ?? values.folder ?? "", `${megabytes}`);
mkdirSync(folder, { recursive: true });
const turns: { candidate: Candidate; replica: ReplicaToRestore; measured: Measured; layout: Layout }[] = [];
for (const layout of layouts.filter(({ name }) => values.layouts.split(",").includes(name))) {
  const writer = layout.writer === undefined ? undefined : await litestreamBinary(layout.writer);
  if (layout.writer !== undefined && writer === undefined) {
    console.log(`${layout.name} is left out: Litestream ${layout.writer} could not be installed`);
    continue;
  }
  const replica = await makeReplica(join(folder, layout.name), megabytes * 1e6, writer);
  for (const candidate of await candidatesFor(layout, replica)) {
    turns.push({ candidate, replica, layout, measured: { durationMs: [], cpuMs: [], peakBytes: [], sizeBytes: 0 } });
  }
}
const startMs: number[] = [];
const rows: string[] = [];
for (let round = 0; round < rounds; round++) {
  // Each has each of the others before it, and what the disk still owes to it.
  for (const { candidate, replica, measured } of [...turns.slice(round % turns.length), ...turns].slice(
    0,
    turns.length,
  )) {
    await measure(candidate, replica, measured, join(folder, "restored.db"));
  }
  startMs.push((await run([...commandLine, "version"])).durationMs);
}
for (const { candidate, replica, measured, layout } of turns) {
  const ms = median(measured.durationMs);
  const fastest = Math.min(...measured.durationMs);
  rows.push(
    `| ${[
      `${layout.name} (${(replica.sizeBytes / 1e6).toFixed(0)} MB, ${replica.objects} objects)`,
      candidate.name,
      `${(ms / 1000).toFixed(3)} s`,
      `${(fastest / 1000).toFixed(3)} s`,
      `${(median(measured.cpuMs) / 1000).toFixed(3)} s`,
      `${(measured.sizeBytes / 1000 / ms).toFixed(0)} MB/s`,
      `${(Math.max(...measured.peakBytes) / 1e6).toFixed(0)} MB`,
    ].join(" | ")} |`,
  );
}
const sizes = turns.map(({ measured }) => `${(measured.sizeBytes / 1e6).toFixed(0)} MB`);
console.log(`\nA database of ${[...new Set(sizes)].join(", ")}; ${rounds} rounds\n`);
console.log("| replica | restored with | median | fastest | CPU | speed | peak memory |");
console.log(`| --- | --- | ---: | ---: | ---: | ---: | ---: |\n${rows.join("\n")}`);
console.log(`\nOf which our process's start and exit take ${median(startMs).toFixed(0)} ms (the command \`version\`).`);
