/**
 * What a writer puts into a wal-index (https://www.sqlite.org/walformat.html, "WAL-Index Format"; wal.c,
 * walIndexAppend, walCleanupHash and walIndexWriteHdr), as bytes; no I/O. The header is described in `wal-index.ts`.
 *
 * The file is made of regions of 32768 bytes, in the machine's byte order:
 *
 *     offset  size  field
 *          0 16384  page numbers of 4096 frames; in the first region the first 136 bytes are the header, and there are
 *                   4062 of them
 *      16384 16384  hash table of 8192 entries of 2 bytes: 0, or the place of a page number in this region, from 1 on
 *
 * A page is looked up at (page number * 383) mod 8192 and from there on, around the end, up to an entry that is 0. What
 * the table says of frames that are not published is ignored, and may be left over.
 */
import { assert } from "../assert.ts";
import { addNativeWords, type Checksum } from "../wal/checksum.ts";
import type { Salts } from "../wal/header.ts";
import { walIndexHeaderSizeBytes } from "./wal-index.ts";

export const walIndexRegionSizeBytes: number = 32768;
const entriesMax = 4096;
const entriesInFirst = entriesMax - walIndexHeaderSizeBytes / 4;
const slotCount = 8192;
const hashMultiplier = 383;

/** The region that has the page number of a frame; frames count from 1. */
export function walIndexRegionOf(frame: number): number {
  return Math.floor((frame - 1 + entriesMax - entriesInFirst) / entriesMax);
}

/** One region of a wal-index, to be changed in memory and then written. */
export class WalIndexRegion {
  readonly number: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #pgnos: Uint32Array;
  readonly #slots: Uint16Array;
  /** The frame before its first. */
  readonly #frameBefore: number;

  /** @param bytes as they are in the file; they are changed in place */
  constructor(number: number, bytes: Uint8Array<ArrayBuffer>) {
    assert(bytes.byteLength === walIndexRegionSizeBytes && bytes.byteOffset === 0, "a region is one piece of memory");
    this.number = number;
    this.#bytes = bytes;
    const isFirst = number === 0;
    this.#pgnos = new Uint32Array(bytes.buffer, this.offset, isFirst ? entriesInFirst : entriesMax);
    this.#slots = new Uint16Array(bytes.buffer, entriesMax * 4, slotCount);
    this.#frameBefore = isFirst ? 0 : entriesInFirst + (number - 1) * entriesMax;
  }

  /** Where in the region `content` lies. */
  get offset(): number {
    return this.number === 0 ? walIndexHeaderSizeBytes : 0;
  }

  /** The page numbers and the table, without the header. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.offset);
  }

  /** Takes out what is left over of frames after `frame`. */
  keepUpTo(frame: number): void {
    const kept = Math.max(0, Math.min(frame - this.#frameBefore, this.#pgnos.length));
    for (const [slot, place] of this.#slots.entries()) if (place > kept) this.#slots[slot] = 0;
    this.#pgnos.fill(0, kept);
  }

  append(frame: number, pgno: number): void {
    const place = frame - this.#frameBefore;
    assert(place >= 1 && place <= this.#pgnos.length, "the frame belongs to the region");
    let slot = Math.imul(pgno, hashMultiplier) & (slotCount - 1);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (slotCount - 1);
    this.#pgnos[place - 1] = pgno;
    this.#slots[slot] = place;
  }
}

/** What a commit makes of the header. */
export interface PublishedWal {
  readonly pageSize: number;
  readonly mxFrame: number;
  readonly pageCount: number;
  readonly frameChecksum: Readonly<Checksum>;
  readonly salts: Salts;
}

/**
 * One copy of the header after a commit. Checksums are in the machine's byte order, as those of a WAL that SQLite
 * begins here.
 * @param before the copy that is there
 */
export function formatWalIndexHeader(before: Uint8Array, wal: PublishedWal): Uint8Array {
  const bytes = new Uint8Array(before.subarray(0, 48));
  const numbers = new Uint32Array(bytes.buffer);
  const words = new Int32Array(bytes.buffer);
  const changes = numbers[2] ?? 0;
  numbers[2] = changes + 1;
  bytes[13] = 0;
  new Uint16Array(bytes.buffer)[7] = wal.pageSize === 65536 ? 1 : wal.pageSize;
  numbers[4] = wal.mxFrame;
  numbers[5] = wal.pageCount;
  words[6] = wal.frameChecksum.s1;
  words[7] = wal.frameChecksum.s2;
  const view = new DataView(bytes.buffer);
  view.setUint32(32, wal.salts.salt1);
  view.setUint32(36, wal.salts.salt2);
  const sum = { s1: 0, s2: 0 };
  addNativeWords(sum, words, 0, 10);
  words[10] = sum.s1;
  words[11] = sum.s2;
  return bytes;
}
