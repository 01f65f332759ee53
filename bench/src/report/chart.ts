/** Pictures of results, as SVG text, drawn without a browser. */
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { type ComposeOption, init, use } from "echarts/core";
import type { BarSeriesOption, LineSeriesOption } from "echarts/charts";
import type { GridComponentOption, LegendComponentOption, TitleComponentOption } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";
import type { Workload } from "../workloads/workload.ts";
import { medianOf } from "./compare.ts";
import { type Curve, curvesOf } from "./growth.ts";
import type { WorkloadResult } from "./results.ts";

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

type Option = ComposeOption<
  BarSeriesOption | LineSeriesOption | GridComponentOption | LegendComponentOption | TitleComponentOption
>;

/** Ours stands out; the releases are of one kind, and what is no replicator is pale. */
const colors: Readonly<Record<string, string>> = {
  ours: "#e8590c",
  "v0.3.4": "#1864ab",
  "v0.3.13": "#4dabf7",
  "v0.5.16": "#862e9c",
  none: "#adb5bd",
};
const otherColors = ["#ced4da", "#868e96"];
const ink = "#343a40";
const font = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
/** Bars that differ by more than this are drawn on a logarithmic scale. */
const linearRatioMax = 40;

export function chartOf(workload: Workload, result: WorkloadResult): string {
  return workload.growsWith === undefined
    ? barChart(workload, result)
    : curveChart(workload.title, workload.growsWith, curvesOf(workload, result));
}

/** The first figure of a workload, by case and candidate. */
function barChart(workload: Workload, result: WorkloadResult): string {
  const [figure] = workload.figures;
  if (figure === undefined) throw new Error(`${workload.name} has no figure`);
  const cases = Object.keys(result.cases);
  const candidates = [...new Set(Object.values(result.cases).flatMap((measured) => Object.keys(measured)))];
  const valueOf = (name: string, candidate: string): number | undefined =>
    medianOf(result.cases[name] ?? {}, candidate, figure.key);
  const values = cases
    .flatMap((name) => candidates.map((candidate) => valueOf(name, candidate)))
    .filter((value) => value !== undefined && value > 0) as number[];
  const isLog = Math.max(...values) > linearRatioMax * Math.min(...values);
  const better = figure.better === "less" ? "less is better" : "more is better";
  return draw(
    {
      ...frame(workload.title, `${figure.title}, ${figure.unit}: ${better}${isLog ? "; logarithmic" : ""}`),
      xAxis: { type: "category", data: cases, axisTick: { show: false }, axisLabel: { color: ink, fontFamily: font } },
      yAxis: isLog ? logAxisFrom(Math.min(...values)) : valueAxis("value"),
      series: candidates.map((candidate, number) => ({
        type: "bar" as const,
        name: candidate,
        barGap: "10%",
        barMaxWidth: 56,
        itemStyle: { color: colors[candidate] ?? otherColors[number % otherColors.length] ?? ink },
        label: {
          show: true,
          position: "top" as const,
          color: ink,
          fontFamily: font,
          fontSize: 11,
          formatter: ({ value }: { value: unknown }) => (typeof value === "number" ? shortNumber(value) : ""),
        },
        data: cases.map((name) => valueOf(name, candidate) ?? "-"),
      })),
    },
    760,
    360,
  );
}

/** How something grows; both scales are logarithmic, so that what is linear is a straight line of slope 1. */
function curveChart(title: string, xTitle: string, curves: readonly Curve[]): string {
  const all = curves.flatMap(({ points }) => points);
  const palette = ["#e8590c", "#1864ab", "#2b8a3e", "#862e9c", "#868e96"];
  return draw(
    {
      ...frame(title, `by ${xTitle}; both scales logarithmic`),
      xAxis: {
        ...valueAxis("log"),
        min: Math.min(...all.map(([x]) => x)),
        max: Math.max(...all.map(([x]) => x)),
        name: xTitle,
        nameLocation: "middle",
        nameGap: 28,
      },
      yAxis: valueAxis("log"),
      series: curves.map(({ name, points }, number) => ({
        type: "line" as const,
        name,
        symbolSize: 7,
        color: palette[number % palette.length] ?? ink,
        data: points.map((point) => [...point]),
      })),
    },
    760,
    360,
  );
}

/** Bars stand on the power of ten below the least of them, and not on 1. */
function logAxisFrom(least: number) {
  const min = 10 ** Math.floor(Math.log10(least));
  return { ...valueAxis("log"), min, startValue: min };
}

function valueAxis(type: "log" | "value") {
  const label = { color: ink, fontFamily: font, formatter: (value: number): string => shortNumber(value) };
  return { type, axisLabel: label, splitLine: { lineStyle: { color: "#e9ecef" } } };
}

function frame(title: string, subtitle: string): Option {
  return {
    animation: false,
    backgroundColor: "#ffffff",
    title: {
      text: title,
      subtext: subtitle,
      left: 12,
      top: 8,
      textStyle: { color: ink, fontFamily: font, fontSize: 16 },
      subtextStyle: { color: "#868e96", fontFamily: font, fontSize: 12 },
    },
    legend: {
      left: 8,
      top: 54,
      itemGap: 28,
      icon: "roundRect",
      itemWidth: 12,
      itemHeight: 12,
      textStyle: { fontFamily: font },
    },
    grid: { left: 12, right: 24, top: 96, bottom: 12, outerBoundsMode: "same" },
  };
}

function draw(option: Option, width: number, height: number): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${withOwnNames(svg)}\n`;
}

/**
 * The library numbers classes and clip paths through all that it draws in a process: here they are numbered anew, in
 * the order in which they appear, so that a picture changes when its figures do, and only then.
 */
function withOwnNames(svg: string): string {
  const names = new Map<string, string>();
  return svg.replaceAll(/\bzr\d+-(?:cls-|[a-z])\d+\b/g, (name) => {
    const own = names.get(name) ?? `n${names.size}`;
    names.set(name, own);
    return own;
  });
}

/** Three digits, and a k for thousands. */
function shortNumber(value: number): string {
  if (value === 0) return "0";
  if (value >= 10_000) return `${Number((value / 1000).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}
