import { assert } from "../assert.ts";
import type { OutputFile } from "./output-file.ts";

/** Pages that are held back; at least one page of the largest size, 64 KiB. */
const batchSizeBytes = 4 * 1024 * 1024;
/** How many pages in a row are written at once. */
const runSizeBytesMax = 512 * 1024;

/**
 * Writes pages into the output, batch by batch: of a batch each page once, the last that came, and those that follow
 * each other in the file with one call. One for a whole restore.
 */
export class PageWriter {
  readonly #output: OutputFile;
  readonly #pageSize: number;
  readonly #capacity: number;
  readonly #pages: Uint8Array;
  readonly #run: Uint8Array = new Uint8Array(runSizeBytesMax);
  /** Of the pages held, page number * capacity + place in `#pages`: numbers that sort by page, then by time. */
  readonly #keys: Float64Array;
  #count = 0;

  constructor(output: OutputFile, pageSize: number) {
    this.#output = output;
    this.#pageSize = pageSize;
    this.#capacity = batchSizeBytes / pageSize;
    this.#pages = new Uint8Array(batchSizeBytes);
    this.#keys = new Float64Array(this.#capacity);
  }

  /** Pages that are held and not written yet. */
  get heldCount(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.#capacity;
  }

  /** Takes a page of which nothing will be taken back; writes what is held when there is no room. */
  write(pgno: number, page: Uint8Array): void {
    if (this.isFull) this.flush();
    this.hold(pgno, page);
  }

  /** Holds a copy of `page` until `flush`. There must be room. */
  hold(pgno: number, page: Uint8Array): void {
    assert(!this.isFull, "there is room for the page");
    this.#pages.set(page, this.#count * this.#pageSize);
    this.#keys[this.#count] = pgno * this.#capacity + this.#count;
    this.#count++;
  }

  /** Writes the first `count` of the pages held; all, where absent. The others are held on. */
  flush(count: number = this.#count): void {
    const keys = this.#keys.subarray(0, count).toSorted();
    let run: { pgno: number; place: number; count: number; isGathered: boolean } | undefined;
    for (const [i, key] of keys.entries()) {
      const pgno = Math.floor(key / this.#capacity);
      const next = keys[i + 1];
      if (next !== undefined && Math.floor(next / this.#capacity) === pgno) continue;
      const place = key % this.#capacity;
      if (run === undefined || pgno !== run.pgno + run.count || (run.count + 1) * this.#pageSize > runSizeBytesMax) {
        if (run !== undefined) this.#write(run);
        run = { pgno, place, count: 1, isGathered: false };
        continue;
      }
      if (!run.isGathered && place !== run.place + run.count) {
        this.#run.set(this.#at(run.place, run.count));
        run.isGathered = true;
      }
      if (run.isGathered) this.#run.set(this.#at(place, 1), run.count * this.#pageSize);
      run.count++;
    }
    if (run !== undefined) this.#write(run);
    this.#keepFrom(count);
  }

  /** Forgets what is held. */
  clear(): void {
    this.#count = 0;
  }

  #write(run: { pgno: number; place: number; count: number; isGathered: boolean }): void {
    const { pgno, place, count, isGathered } = run;
    const bytes = isGathered ? this.#run.subarray(0, count * this.#pageSize) : this.#at(place, count);
    this.#output.writeAt(bytes, (pgno - 1) * this.#pageSize);
  }

  #at(place: number, count: number): Uint8Array {
    return this.#pages.subarray(place * this.#pageSize, (place + count) * this.#pageSize);
  }

  #keepFrom(first: number): void {
    const kept = this.#count - first;
    this.#pages.copyWithin(0, first * this.#pageSize, this.#count * this.#pageSize);
    // A key has the place in it, which is now `first` lower.
    for (let i = 0; i < kept; i++) this.#keys[i] = (this.#keys[first + i] ?? 0) - first;
    this.#count = kept;
  }
}
