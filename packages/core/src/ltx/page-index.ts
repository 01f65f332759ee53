/**
 * The page index of an LTX file: where each page is, so that single pages can be read out of an object store.
 *
 *     for each page, in their order, three uvarints:
 *         page number
 *         offset in the file of the page's header
 *         bytes of the page as stored, with its header
 *     0  a byte, in place of a page number
 *
 * A uvarint has 7 bits in each byte, the lowest first; the high bit is set where another byte follows. Then comes the
 * size of all this in bytes, 8 bytes big-endian.
 */
import { Crc64 } from "./crc64.ts";

const bufferSizeBytes = 4096;

/** A uvarint of a number up to 2^53: what sizes and offsets are. */
const uvarintSizeBytesMax = 8;

/**
 * What the index of the pages met so far must be. The whole of it is not kept: a file of many pages has a long one, and
 * to compare it, its size and its checksum are enough.
 */
export class ExpectedPageIndex {
  readonly #crc: Crc64 = new Crc64();
  readonly #buffer: Uint8Array = new Uint8Array(bufferSizeBytes);
  #filledBytes = 0;
  #flushedBytes = 0;

  add(pgno: number, offset: number, sizeBytes: number): void {
    if (this.#filledBytes + 3 * uvarintSizeBytesMax > bufferSizeBytes) this.#flush();
    this.#put(pgno);
    this.#put(offset);
    this.#put(sizeBytes);
  }

  /** Ends the index. @returns its size, and its checksum */
  end(): { readonly sizeBytes: number; readonly checksum: bigint } {
    this.#put(0);
    this.#flush();
    return { sizeBytes: this.#flushedBytes, checksum: this.#crc.digest() };
  }

  #put(value: number): void {
    while (value >= 0x80) {
      this.#buffer[this.#filledBytes++] = 0x80 | (value % 0x80);
      value = Math.floor(value / 0x80);
    }
    this.#buffer[this.#filledBytes++] = value;
  }

  #flush(): void {
    this.#crc.update(this.#buffer.subarray(0, this.#filledBytes));
    this.#flushedBytes += this.#filledBytes;
    this.#filledBytes = 0;
  }
}
