/** What was measured, as it is kept in docs/benchmarks/results.json: each run of it, so that any table can be made. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Measured, Scale } from "../workloads/workload.ts";

/** By candidate: what each round gave. */
export type CaseResult = Readonly<Record<string, readonly Measured[]>>;

export interface WorkloadResult {
  readonly measuredAt: string;
  readonly scale: Scale;
  readonly rounds: number;
  /** Runnable processes during the run, on average, ours included: more than there are processors is a busy machine. */
  readonly loadAverage: number;
  /** Of the folder that everything was in. */
  readonly fileSystem?: string;
  readonly cases: Readonly<Record<string, CaseResult>>;
}

export interface Results {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly workloads: Readonly<Record<string, WorkloadResult>>;
}

export function readResults(path: string): Results | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Results) : undefined;
}

/**
 * Four digits are more than any run is good for.
 * @returns what is kept, to be drawn: a later run has nothing else to draw it from, and shall draw the same
 */
export function writeResults(path: string, results: Results): Results {
  const text = JSON.stringify(
    results,
    (_key, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(4)) : value),
    1,
  );
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${text}\n`);
  return JSON.parse(text) as Results;
}
