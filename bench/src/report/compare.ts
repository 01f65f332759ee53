/** Ratios and bars, from what each round gave: pure. */
import { median } from "../measure/statistics.ts";
import type { Bar, Figure, Measured, Workload } from "../workloads/workload.ts";
import type { CaseResult, WorkloadResult } from "./results.ts";

export const ours = "ours";

export function isRelease(candidate: string): boolean {
  return /^v\d/.test(candidate);
}

/** The median of a figure over all rounds; undefined where it was not measured. */
export function medianOf(result: CaseResult, candidate: string, figure: string): number | undefined {
  const found = median(valuesOf(result[candidate], figure));
  return Number.isNaN(found) ? undefined : found;
}

/** How many times ours another's figure is: the median of the ratios within each round. */
export function timesOurs(result: CaseResult, candidate: string, figure: string): number | undefined {
  const [theirs = [], mine = []] = [result[candidate], result[ours]];
  const ratios = theirs.flatMap((measured, round) => {
    const [their, my] = [measured[figure], mine[round]?.[figure]];
    return their === undefined || my === undefined || my === 0 ? [] : [their / my];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** The release whose median is the best. */
export function bestRelease(result: CaseResult, { key, better }: Figure): string | undefined {
  const medians = Object.keys(result).flatMap((candidate) => {
    const value = isRelease(candidate) ? medianOf(result, candidate, key) : undefined;
    return value === undefined ? [] : [{ candidate, value }];
  });
  const best = medians.toSorted((a, b) => (better === "less" ? a.value - b.value : b.value - a.value))[0];
  return best?.candidate;
}

/** Whether a promise was kept. */
export interface Verdict {
  readonly workload: Workload;
  readonly caseName: string;
  readonly figure: Figure;
  readonly bar: Bar;
  readonly ours: number;
  readonly best: { readonly candidate: string; readonly value: number; readonly oursOfIt: number } | undefined;
  readonly isMet: boolean;
}

export function verdictsOf(workload: Workload, result: WorkloadResult): Verdict[] {
  return workload.bars.flatMap((bar) =>
    Object.entries(result.cases).flatMap(([caseName, measured]) => {
      if (bar.cases !== undefined && !bar.cases.includes(caseName)) return [];
      const figure = workload.figures.find(({ key }) => key === bar.figure);
      const mine = medianOf(measured, ours, bar.figure);
      if (figure === undefined || mine === undefined) return [];
      const candidate = bestRelease(measured, figure);
      const times = candidate === undefined ? undefined : timesOurs(measured, candidate, bar.figure);
      const value = candidate === undefined ? undefined : medianOf(measured, candidate, bar.figure);
      const best =
        candidate === undefined || times === undefined || value === undefined
          ? undefined
          : { candidate, value, oursOfIt: 1 / times };
      return [{ workload, caseName, figure, bar, ours: mine, best, isMet: isMet(bar, figure, mine, best?.oursOfIt) }];
    }),
  );
}

function isMet(bar: Bar, { better }: Figure, mine: number, ofBest: number | undefined): boolean {
  const isWithin = (value: number, limit: number): boolean => (better === "less" ? value <= limit : value >= limit);
  if (bar.absolute !== undefined && !isWithin(mine, bar.absolute)) return false;
  // Where there is nobody to compare with, nothing is promised.
  return bar.ofBest === undefined || ofBest === undefined || isWithin(ofBest, bar.ofBest);
}

function valuesOf(rounds: readonly Measured[] | undefined, figure: string): number[] {
  return (rounds ?? []).flatMap((measured) => {
    const value = measured[figure];
    return value === undefined || Number.isNaN(value) ? [] : [value];
  });
}
