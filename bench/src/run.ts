import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { errorMessage } from "@litestream/core";
import { fileSystemOf } from "./machine.ts";
import { flushDisk } from "./measure/flush-disk.ts";
import type { Replicator } from "./replicators/replicator.ts";
import type { CaseResult, WorkloadResult } from "./report/results.ts";
import type { Case, Measured, RunContext, Scale, Workload } from "./workloads/workload.ts";

export interface RunOptions {
  readonly scale: Scale;
  readonly rounds: number;
  /** On the disk that is to be measured. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

interface Candidate {
  readonly name: string;
  readonly run: (context: RunContext) => Promise<Measured>;
}

/**
 * Runs a workload. In each round everybody has a turn, one right after the other, so that what else goes on on the
 * machine meets them alike, and the ratios within a round can be trusted more than the numbers.
 */
export async function runWorkload(
  workload: Workload,
  replicators: readonly Replicator[],
  options: RunOptions,
): Promise<WorkloadResult> {
  const { scale, folder } = options;
  const rounds = Math.min(options.rounds, workload.roundsMax ?? Infinity);
  const sharedFolder = join(folder, `shared-${workload.name}`);
  mkdirSync(sharedFolder, { recursive: true });
  const cases: Record<string, CaseResult> = {};
  const loads: number[] = [];
  try {
    for (const one of workload.cases(scale)) {
      if (scale === "quick" && !one.isQuick) continue;
      const candidates = candidatesFor(workload, one, replicators);
      const measured: Record<string, Measured[]> = {};
      for (let round = 0; round < rounds; round++) {
        // Nobody is always the one who comes after the same other.
        const turns = [
          ...candidates.slice(round % candidates.length),
          ...candidates.slice(0, round % candidates.length),
        ];
        for (const candidate of turns) {
          loads.push(loadavg()[0] ?? Number.NaN);
          const found = await runOnce(candidate, workload, one, { folder, sharedFolder }, options.say);
          (measured[candidate.name] ??= []).push(found);
        }
      }
      cases[one.name] = measured;
    }
  } finally {
    rmSync(sharedFolder, { recursive: true, force: true });
  }
  const loadAverage = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  return { measuredAt: new Date().toISOString(), scale, rounds, loadAverage, fileSystem: fileSystemOf(folder), cases };
}

function candidatesFor(workload: Workload, one: Case, replicators: readonly Replicator[]): Candidate[] {
  const suited = replicators.filter((replicator) => one.suits?.(replicator) ?? true);
  return [
    ...(workload.hasBaseline
      ? [{ name: "none", run: (context: RunContext): Promise<Measured> => one.run(undefined, context) }]
      : []),
    ...suited.map((replicator) => ({
      name: replicator.name,
      run: (context: RunContext): Promise<Measured> => one.run(replicator, context),
    })),
    ...(one.limits ?? []),
  ];
}

/** A run that fails is said, and leaves a gap: one release that cannot do something must not end all. */
async function runOnce(
  candidate: Candidate,
  workload: Workload,
  one: Case,
  folders: { readonly folder: string; readonly sharedFolder: string },
  say: (line: string) => void,
): Promise<Measured> {
  const folder = mkdtempSync(join(folders.folder, "run-"));
  const startedAtMs = performance.now();
  const what = `${workload.name}, ${one.name}, ${candidate.name}`;
  try {
    await flushDisk();
    const measured = await candidate.run({ folder, sharedFolder: folders.sharedFolder });
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0);
    const figures = workload.figures.flatMap(({ key, digits, unit }) => {
      const value = measured[key];
      return value === undefined ? [] : [`${key} ${value.toFixed(digits)} ${unit}`];
    });
    say(`${what}: ${figures.join(", ")} (${seconds} s)`);
    return measured;
  } catch (error) {
    say(`${what}: FAILED: ${errorMessage(error)}`);
    return {};
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
