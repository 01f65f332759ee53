import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";

/** A transaction whose COMMIT returned: SQLite has promised it to the application. */
export interface Acknowledgement {
  readonly n: number;
  /** When COMMIT had returned: milliseconds since 1970, with a fraction. */
  readonly atMs: number;
}

/**
 * A text file with a line `n milliseconds\n` for each acknowledged transaction, appended with one write each. What is
 * written survives the death of the process; `durable` lets it survive that of the machine.
 */
export class AcknowledgementLog implements Disposable {
  readonly #fd: number;
  readonly #durable: boolean;

  constructor(path: string, durable: boolean) {
    this.#fd = openSync(path, "a");
    this.#durable = durable;
  }

  append(n: number): void {
    writeSync(this.#fd, `${n} ${(performance.timeOrigin + performance.now()).toFixed(3)}\n`);
    if (this.#durable) fdatasyncSync(this.#fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** All acknowledgements in the log at `path`; a last line without its newline was not finished and does not count. */
export function readAcknowledgements(path: string): Acknowledgement[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line): Acknowledgement => {
      const [n = Number.NaN, atMs = Number.NaN] = line.split(" ").map(Number);
      if (!Number.isInteger(n) || Number.isNaN(atMs)) throw new Error(`${path}: not an acknowledgement: "${line}"`);
      return { n, atMs };
    });
}
