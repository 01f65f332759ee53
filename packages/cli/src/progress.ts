import type { Options, Params, SingleBar } from "cli-progress";
import { oneLine, printError } from "./output.ts";
import { formatBytes } from "./size.ts";
import { UsageError } from "./usage-error.ts";

export type ProgressMode = "auto" | "always" | "never";

/** With it, a line fits into 80 columns, whatever the numbers are. */
const barColumns = 12;

/** What is done in less time than this shows no bar, and no line. */
const quietMs = 700;

/** Without a terminal: a line at most this often. */
const lineMs = 5000;

/** @throws UsageError */
export function parseProgressMode(command: string, text: string | undefined): ProgressMode {
  if (text === undefined || text === "auto") return "auto";
  if (text === "always" || text === "never") return text;
  throw new UsageError(`litestream ${command}: -progress is auto, always or never, not "${text}"`);
}

/**
 * How far something has come, on standard error: a bar on a terminal; plain lines elsewhere, if they were asked for.
 * Disposing takes the bar off the screen.
 */
export class Progress implements Disposable {
  readonly #label: string;
  readonly #isBar: boolean;
  readonly #isShown: boolean;
  readonly #startMs: number = performance.now();
  #bar: SingleBar | undefined;
  /** Loaded when there is something to show: it takes 6 ms. */
  #newBar: ((options: Options) => SingleBar) | undefined;
  #isLoading = false;
  #lineMs: number;

  constructor(label: string, mode: ProgressMode) {
    this.#label = label;
    this.#isBar = process.stderr.isTTY;
    this.#isShown = mode === "always" || (mode === "auto" && this.#isBar);
    this.#lineMs = this.#startMs + quietMs - lineMs;
  }

  update(bytes: number, totalBytes: number): void {
    const nowMs = performance.now();
    if (!this.#isShown || totalBytes === 0 || nowMs - this.#startMs < quietMs) return;
    const rate = bytes / ((nowMs - this.#startMs) / 1000);
    if (this.#isBar) {
      this.#bar ??= this.#begin(totalBytes, bytes);
      this.#bar?.setTotal(totalBytes);
      this.#bar?.update(bytes, { rate });
    } else if (nowMs - this.#lineMs >= lineMs) {
      this.#lineMs = nowMs;
      printError(oneLine(formatLine(this.#label, "", bytes, totalBytes, rate)));
    }
  }

  /** Clears the line for other text; the next update shows the bar again. */
  pause(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #begin(totalBytes: number, bytes: number): SingleBar | undefined {
    if (this.#newBar === undefined) {
      // Without the library there is no bar, and that is all.
      if (!this.#isLoading) this.#load().catch(() => undefined);
      this.#isLoading = true;
      return undefined;
    }
    const bar = this.#newBar({
      format: (_options, { progress, value, total }: Params, payload: { rate?: number }) =>
        formatLine(
          this.#label,
          ` [${"=".repeat(Math.floor(progress * barColumns)).padEnd(barColumns)}]`,
          value,
          total,
          payload.rate ?? 0,
        ),
      clearOnComplete: true,
      hideCursor: true,
      // An interruption is the command's to handle: it clears away what is half made, and this bar.
      gracefulExit: false,
      stream: process.stderr,
    });
    bar.start(totalBytes, bytes);
    return bar;
  }

  async #load(): Promise<void> {
    const { SingleBar } = await import("cli-progress");
    this.#newBar = (options) => new SingleBar(options);
  }
}

function formatLine(label: string, bar: string, bytes: number, totalBytes: number, rate: number): string {
  const percent = Math.floor((100 * bytes) / totalBytes);
  const amounts = `${percent} % | ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
  if (rate <= 0) return `${label}${bar} ${amounts}`;
  const left = bytes < totalBytes ? ` | ${Math.ceil((totalBytes - bytes) / rate)} s left` : "";
  return `${label}${bar} ${amounts} | ${formatBytes(Math.round(rate))}/s${left}`;
}
