import { copyBytes } from "../bytes.ts";

/**
 * The running checksum of a WAL (https://www.sqlite.org/walformat.html, "Checksum Algorithm"): two 32-bit sums over
 * pairs of 32-bit words, s1 += word + s2, s2 += word + s1, each modulo 2^32. The words are little-endian under magic
 * 377f0682, big-endian under 377f0683; the sums themselves are always stored big-endian.
 */
export interface Checksum {
  s1: number;
  s2: number;
}

const hostIsLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** True where words of this checksum order can be read as the machine's own. */
export function isNativeOrder(bigEndianChecksum: boolean): boolean {
  return bigEndianChecksum !== hostIsLittleEndian;
}

/**
 * Continues `sum`, in place, over `words[start..end)`, which are in the machine's own order; their number is even.
 *
 * Hot loop: 4.4-5.5 GB/s in Bun 1.4.5 with `|0` on an Int32Array, 0.6 with `>>>0`. The sums are left signed.
 */
export function addNativeWords(sum: Checksum, words: Int32Array, start: number, end: number): void {
  let s1 = sum.s1 | 0;
  let s2 = sum.s2 | 0;
  for (let i = start; i < end; i += 2) {
    s1 = (s1 + (words[i] as number) + s2) | 0;
    s2 = (s2 + (words[i + 1] as number) + s1) | 0;
  }
  sum.s1 = s1;
  sum.s2 = s2;
}

/** As `addNativeWords`, for words in the other byte order than the machine's. */
export function addSwappedWords(sum: Checksum, words: Int32Array, start: number, end: number): void {
  let s1 = sum.s1 | 0;
  let s2 = sum.s2 | 0;
  for (let i = start; i < end; i += 2) {
    s1 = (s1 + swap32(words[i] as number) + s2) | 0;
    s2 = (s2 + swap32(words[i + 1] as number) + s1) | 0;
  }
  sum.s1 = s1;
  sum.s2 = s2;
}

function swap32(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** Continues `sum` over `bytes`, whose length is a multiple of 8, wherever they lie in memory. */
export function addBytes(sum: Checksum, bytes: Uint8Array, bigEndianChecksum: boolean): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : copyBytes(bytes);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2);
  const add = isNativeOrder(bigEndianChecksum) ? addNativeWords : addSwappedWords;
  add(sum, words, 0, words.length);
}
