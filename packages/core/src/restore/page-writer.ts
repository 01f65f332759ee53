import type { OutputFile } from "./output-file.ts";

/** How many pages in a row are written at once. */
const runSizeBytesMax = 1024 * 1024;

/** Writes pages in the order they come, those that follow each other in the file with one call. */
export class PageWriter {
  readonly #output: OutputFile;
  readonly #pageSize: number;
  readonly #run: Uint8Array = new Uint8Array(runSizeBytesMax);
  #runPgno = 0;
  #runSizeBytes = 0;

  constructor(output: OutputFile, pageSize: number) {
    this.#output = output;
    this.#pageSize = pageSize;
  }

  write(pgno: number, page: Uint8Array): void {
    const follows = pgno === this.#runPgno + this.#runSizeBytes / this.#pageSize;
    if (!follows || this.#runSizeBytes === runSizeBytesMax) {
      this.flush();
      this.#runPgno = pgno;
    }
    this.#run.set(page, this.#runSizeBytes);
    this.#runSizeBytes += this.#pageSize;
  }

  flush(): void {
    if (this.#runSizeBytes === 0) return;
    this.#output.writeAt(this.#run.subarray(0, this.#runSizeBytes), (this.#runPgno - 1) * this.#pageSize);
    this.#runSizeBytes = 0;
  }
}
