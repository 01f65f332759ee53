/** The generated part of docs/benchmarks.md, as text: pure. */
import type { Figure, Workload } from "../workloads/workload.ts";
import { medianOf, ours, timesOurs, type Verdict, verdictsOf } from "./compare.ts";
import { curvesOf, exponentOf, isSuperlinear } from "./growth.ts";
import type { CaseResult, Results, WorkloadResult } from "./results.ts";

/** @param chartOf where the picture of a workload lies, from where the text will stand */
export function describeResults(
  results: Results,
  workloads: readonly Workload[],
  chartOf: (workload: Workload) => string,
): string {
  const measured = workloads.flatMap((workload) => {
    const result = results.workloads[workload.name];
    return result === undefined ? [] : [{ workload, result }];
  });
  const versions = Object.entries(results.versions).map(([name, version]) =>
    name === ours ? `ours: ${version}` : version,
  );
  return [
    `Measured on ${results.machine}; ${versions.join(", ")}.`,
    "## The bars",
    verdictTable(measured.flatMap(({ workload, result }) => verdictsOf(workload, result))),
    ...measured.flatMap(({ workload, result }) => [
      `## ${workload.title}`,
      workload.about,
      `![${workload.title}](${chartOf(workload)})`,
      workload.growsWith === undefined ? table(workload, result) : growthTable(workload, result),
      howItWasRun(workload, result),
    ]),
  ].join("\n\n");
}

function howItWasRun(workload: Workload, result: WorkloadResult): string {
  const command = `bun run bench --only ${workload.name}${result.scale === "quick" ? " --quick" : ""}`;
  const rounds = result.rounds === 1 ? "one round" : `medians of ${result.rounds} rounds`;
  return (
    `\`${command}\`, ${result.measuredAt.slice(0, 10)}: ${rounds}, in turns; ` +
    `on ${result.fileSystem ?? "ext4"}; load average meanwhile ${result.loadAverage.toFixed(1)}.`
  );
}

function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ workload, caseName, figure, bar, ours: mine, best, isMet }) => [
    `${workload.title}, ${caseName}: ${figure.title}`,
    format(mine, figure),
    best === undefined ? "" : `${format(best.value, figure)} (${best.candidate})`,
    best === undefined ? "" : `${formatRatio(best.oursOfIt)}x`,
    describeBar(bar, figure),
    isMet ? "met" : "**missed**",
  ]);
  return markdownTable(["", "ours", "best release", "ours of it", "bar", ""], "lrrrlr", rows);
}

function describeBar({ ofBest, absolute }: Verdict["bar"], figure: Figure): string {
  const word = figure.better === "less" ? "at most" : "at least";
  const parts = [
    ...(absolute === undefined ? [] : [`${word} ${absolute} ${figure.unit}`]),
    ...(ofBest === undefined ? [] : [`${word} ${ofBest}x the best release`]),
  ];
  return parts.join(", ");
}

function table(workload: Workload, result: WorkloadResult): string {
  const rows = Object.entries(result.cases).flatMap(([caseName, measured]) =>
    Object.keys(measured).map((candidate, row) => [
      row === 0 ? caseName : "",
      candidate,
      ...workload.figures.map((figure) => cell(measured, candidate, figure)),
    ]),
  );
  const header = ["", "", ...workload.figures.map(({ title }) => title)];
  return markdownTable(header, `ll${"r".repeat(workload.figures.length)}`, rows);
}

/** Ours alone, and how each figure grows. */
function growthTable(workload: Workload, result: WorkloadResult): string {
  const rows = Object.entries(result.cases).map(([caseName, measured]) => [
    caseName,
    ...workload.figures.map((figure) => cell(measured, ours, figure)),
  ]);
  const exponents = curvesOf(workload, result).map((curve) => {
    const exponent = `x^${exponentOf(curve).toFixed(2)}`;
    return isSuperlinear(curve) ? `**${exponent}**` : exponent;
  });
  const header = ["", ...workload.figures.map(({ title }) => title)];
  return markdownTable(header, `l${"r".repeat(workload.figures.length)}`, [...rows, ["grows as", ...exponents]]);
}

/** The figure, and how many times ours it is. */
function cell(measured: CaseResult, candidate: string, figure: Figure): string {
  const value = medianOf(measured, candidate, figure.key);
  if (value === undefined) return "";
  const times = candidate === ours ? undefined : timesOurs(measured, candidate, figure.key);
  return times === undefined ? format(value, figure) : `${format(value, figure)} (${formatRatio(times)}x)`;
}

function format(value: number, { digits, unit }: Figure): string {
  return `${value.toFixed(digits)} ${unit}`.replace(" /s", "/s");
}

function formatRatio(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(2);
}

function markdownTable(header: readonly string[], alignment: string, rows: readonly (readonly string[])[]): string {
  const rule = alignment.split("").map((one) => (one === "r" ? "---:" : "---"));
  return [header, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
