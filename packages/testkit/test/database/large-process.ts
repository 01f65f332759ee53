/**
 * One step with a large database, in a process of its own, so that its peak of resident memory is that step's:
 * `large-process.ts generate|integrity|rows PATH SIZE`. Prints a `LargeStep` in JSON.
 */
import { readFileSync } from "node:fs";
import { integrityCheck, rowsDigest } from "../../src/database/digest.ts";
import { generateDatabase } from "../../src/database/generate-database.ts";

export interface LargeStep {
  readonly result: string | number;
  readonly ms: number;
  readonly peakBytes: number;
}

const [, , step = "", path = "", size = ""] = process.argv;
const startMs = performance.now();
const result = await run();
const ms = Math.round(performance.now() - startMs);
// Not `resourceUsage().maxRSS`, which begins with what the parent had.
const peakKiB = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
console.log(JSON.stringify({ result, ms, peakBytes: Number(peakKiB) * 1024 } satisfies LargeStep));

async function run(): Promise<string | number> {
  if (step === "generate") return generateDatabase(path, { sizeBytes: Number(size), seed: 1 });
  if (step === "integrity") return integrityCheck(path);
  if (step === "rows") return rowsDigest(path);
  throw new Error(`no such step: ${step}`);
}
