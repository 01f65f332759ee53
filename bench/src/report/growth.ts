/** How figures of ours grow: pure. */
import type { Workload } from "../workloads/workload.ts";
import { medianOf, ours } from "./compare.ts";
import type { WorkloadResult } from "./results.ts";

/**
 * What is linear has an exponent of 1, what is flat of 0. A little more is allowed for: what is measured has a
 * constant part, and noise.
 */
const linearExponentMax = 1.15;

export interface Curve {
  readonly name: string;
  /** Case and figure, ascending. */
  readonly points: readonly (readonly [number, number])[];
}

/** A curve for each figure. */
export function curvesOf(workload: Workload, result: WorkloadResult): Curve[] {
  const cases = workload.cases(result.scale);
  return workload.figures.map(({ key, title, unit }) => ({
    name: `${title}, ${unit}`,
    points: cases.flatMap(({ name, x }) => {
      const value = medianOf(result.cases[name] ?? {}, ours, key);
      return x === undefined || value === undefined || value <= 0 ? [] : [[x, value] as const];
    }),
  }));
}

/** The exponent with which it grows over its upper half, where constant parts count for less: y = c * x ** exponent. */
export function exponentOf({ points }: Curve): number {
  const upper = points.slice(Math.floor((points.length - 1) / 2));
  const [[fromX, fromY], [toX, toY]] = [upper[0] ?? [Number.NaN, Number.NaN], upper.at(-1) ?? [Number.NaN, Number.NaN]];
  return Math.log(toY / fromY) / Math.log(toX / fromX);
}

export function isSuperlinear(curve: Curve): boolean {
  return exponentOf(curve) > linearExponentMax;
}
