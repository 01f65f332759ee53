import { formatClock, formatDuration } from "./format.js";
import { setText } from "./set-text.js";

/** @import { Axis, Options } from "uplot" */
/** @import { HistorySeries } from "../serve/history.ts" */

/** Spans that can be chosen, in minutes, and which of the server's series has them. */
const spans = /** @type {const} */ ([
  { text: "15 min", minutes: 15, series: 0 },
  { text: "1 h", minutes: 60, series: 0 },
  { text: "24 h", minutes: 1440, series: 1 },
]);
const heightPx = 150;

/** The lag of a replica over the last hours; drawn by uPlot, with its gist as text. */
export class LagChart {
  element = document.createElement("figure");
  #caption = document.createElement("figcaption");
  #plot = document.createElement("div");
  #buttons;
  /** @type {(typeof spans)[number]} */
  #span = spans[0];
  /** @type {readonly HistorySeries[]} */
  #series = [];
  /** @type {uPlot | undefined} */
  #chart;
  #observer;
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #redraw = () => this.#draw(true);

  /** @param {string} name */
  constructor(name) {
    this.element.className = "chart";
    this.#plot.className = "plot";
    this.#plot.setAttribute("role", "img");
    this.#plot.setAttribute("aria-label", `Lag of replica ${name} over time; its gist is below`);
    const group = document.createElement("div");
    group.className = "spans";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Time shown");
    this.#buttons = spans.map((span) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = span.text;
      button.addEventListener("click", () => {
        this.#span = span;
        this.#draw(false);
      });
      return button;
    });
    group.append(...this.#buttons);
    const heading = document.createElement("h5");
    heading.textContent = "Lag";
    const top = document.createElement("div");
    top.className = "chart-top";
    top.append(heading, group);
    this.element.append(top, this.#plot, this.#caption);
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(this.#plot);
    this.#scheme.addEventListener("change", this.#redraw);
  }

  /** @param {readonly HistorySeries[]} series */
  show(series) {
    this.#series = series;
    this.#draw(false);
  }

  close() {
    this.#observer.disconnect();
    this.#scheme.removeEventListener("change", this.#redraw);
    this.#chart?.destroy();
  }

  /** @param {boolean} isNew */
  #draw(isNew) {
    for (const [n, button] of this.#buttons.entries()) {
      button.setAttribute("aria-pressed", String(spans[n] === this.#span));
    }
    const series = this.#series[this.#span.series];
    if (series === undefined) return;
    const { stepMs, fromMs, lagMs } = series;
    const points = Math.ceil((this.#span.minutes * 60_000) / stepMs);
    const skipped = Math.max(0, lagMs.length - points);
    const seconds = lagMs.slice(skipped).map((ms) => (ms === null ? null : ms / 1000));
    const times = seconds.map((_, n) => (fromMs + (skipped + n) * stepMs) / 1000);
    const known = seconds.filter((value) => value !== null);
    const worst = known.length === 0 ? undefined : Math.max(...known) * 1000;
    setText(
      this.#caption,
      worst === undefined
        ? "Nothing is known yet."
        : `At most ${formatDuration(worst)} in the last ${this.#span.text}.`,
    );
    const untilSeconds = times.at(-1) ?? Date.now() / 1000;
    this.#shown = [untilSeconds - this.#span.minutes * 60, untilSeconds];
    if (this.#chart === undefined || isNew) {
      this.#chart?.destroy();
      this.#chart = new uPlot(this.#options(), [times, seconds], this.#plot);
    } else {
      this.#chart.setData([times, seconds]);
    }
  }

  /** @type {[number, number]} */
  #shown = [0, 0];

  #resize() {
    const width = this.#plot.clientWidth;
    if (width > 0 && this.#chart !== undefined && this.#chart.width !== width) {
      this.#chart.setSize({ width, height: heightPx });
    }
  }

  /** @returns {Options} */
  #options() {
    const style = getComputedStyle(document.documentElement);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    /** @type {Axis} */
    const axis = {
      stroke: color("--soft"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    return {
      width: this.#plot.clientWidth || 300,
      height: heightPx,
      // Half of the last time's label is right of the last point.
      padding: [null, 32, null, null],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: {
        x: { range: () => this.#shown },
        // A little below 0, so that a line at 0 is seen.
        y: { range: (_, _min, max) => [-0.03 * Math.max(1, max ?? 0), 1.1 * Math.max(1, max ?? 0)] },
      },
      axes: [
        { ...axis, space: 70, values: (_, values) => values.map((value) => formatClock(value * 1000)) },
        { ...axis, size: 60, values: (_, values) => values.map((value) => formatDuration(value * 1000)) },
      ],
      series: [
        {},
        {
          stroke: color("--accent"),
          fill: color("--accent-soft"),
          width: 1.5,
          points: { show: false },
          spanGaps: false,
        },
      ],
    };
  }
}
