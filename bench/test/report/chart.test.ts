import { describe, expect, test } from "bun:test";
import { chartOf } from "../../src/report/chart.ts";
import type { WorkloadResult } from "../../src/report/results.ts";
import type { Workload } from "../../src/workloads/workload.ts";

describe("chartOf", () => {
  for (const growsWith of [undefined, "databases"]) {
    const workload = workloadOf(growsWith);
    const kind = growsWith === undefined ? "bars" : "curves";

    test(`draws the same ${kind} from the same figures, whatever was drawn before`, () => {
      const first = chartOf(workload, resultOf(3));
      chartOf(workloadOf("replicas"), resultOf(5));
      expect(chartOf(workload, resultOf(3))).toBe(first);
      expect(chartOf(workload, resultOf(4))).not.toBe(first);
    });

    test(`defines in ${kind} what it refers to, and each name once`, () => {
      const svg = chartOf(workload, resultOf(3));
      const clips = [...svg.matchAll(/<clipPath id="([^"]+)"/g)].map(([, name]) => name);
      expect(new Set(clips).size).toBe(clips.length);
      for (const [, name] of svg.matchAll(/url\(#([^)]+)\)/g)) expect(clips).toContain(name);
      const styled = [...svg.matchAll(/^\.([\w-]+):hover/gm)].map(([, name]) => name);
      expect(new Set(styled).size).toBe(styled.length);
      for (const [, name] of svg.matchAll(/ class="([^"]+)"/g)) expect(styled).toContain(name);
      expect(styled.length).toBeGreaterThan(0);
    });
  }
});

function workloadOf(growsWith: string | undefined): Workload {
  return {
    name: "made-up",
    title: "Made up",
    about: "Nothing was measured.",
    figures: [{ key: "cost", title: "Cost", unit: "ms", better: "less", digits: 1 }],
    bars: [],
    ...(growsWith !== undefined && { growsWith }),
    hasBaseline: false,
    cases: () => [1, 10].map((x) => ({ name: `${x}`, x, isQuick: true, run: () => Promise.resolve({}) })),
  };
}

function resultOf(cost: number): WorkloadResult {
  const measured = { ours: [{ cost }], "v0.3.13": [{ cost: 2 * cost }] };
  return {
    measuredAt: "2026-01-01T00:00:00.000Z",
    scale: "full",
    rounds: 1,
    loadAverage: 1,
    cases: { "1": measured, "10": measured },
  };
}
