import { type Params, SingleBar } from "cli-progress";
import { formatBytes } from "./size.ts";

const barColumns = 24;

/** What is done in less time than this shows no bar. */
const quietMs = 700;

/**
 * A progress bar on standard error, if that is a terminal, for what takes long. Disposing takes it off the screen.
 */
export class Progress implements Disposable {
  readonly #startMs = performance.now();
  readonly #isShown: boolean = process.stderr.isTTY;
  #bar: SingleBar | undefined;
  #label = "";

  /** `total` 0: not known. */
  update(label: string, bytes: number, total: number): void {
    if (!this.#isShown || total === 0 || performance.now() - this.#startMs < quietMs) return;
    if (label !== this.#label) {
      this.#end();
      this.#label = label;
    }
    const value = Math.min(bytes, total);
    this.#bar ??= this.#begin(total, value);
    this.#bar.update(value);
  }

  [Symbol.dispose](): void {
    this.#end();
  }

  #begin(total: number, value: number): SingleBar {
    const bar = new SingleBar({
      format: (_options, params) => formatLine(this.#label, params),
      clearOnComplete: true,
      hideCursor: true,
      // An interruption is the command's to handle: it clears away what is half made, and this bar.
      gracefulExit: false,
      stream: process.stderr,
    });
    bar.start(total, value);
    return bar;
  }

  #end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

function formatLine(label: string, { progress, value, total, eta }: Params): string {
  const bar = "=".repeat(Math.floor(progress * barColumns)).padEnd(barColumns);
  const line = `${label} [${bar}] ${Math.floor(progress * 100)} % | ${formatBytes(value)} of ${formatBytes(total)}`;
  // Before there is a rate, and at the end, it is no number.
  return Number.isFinite(eta) && value < total ? `${line} | ${Math.ceil(eta)} s left` : line;
}
