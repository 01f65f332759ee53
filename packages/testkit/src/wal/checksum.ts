import { endianness } from "node:os";

/** The two 32-bit words of SQLite's cumulative WAL checksum, each from 0 to 2^32 - 1. */
export type WalChecksum = readonly [number, number];

const hostIsBigEndian = endianness() === "BE";

/**
 * A running WAL checksum over pairs of 32-bit words: s0 += word + s1, s1 += word + s0, modulo 2^32. Words are read
 * big-endian or little-endian; which of the two a WAL uses is the lowest bit of its magic number.
 * https://www.sqlite.org/walformat.html, section 4.2.
 */
export class WalChecksummer {
  readonly #isSwapped: boolean;
  #s0: number;
  #s1: number;

  constructor(bigEndian: boolean, seed: WalChecksum = [0, 0]) {
    this.#isSwapped = bigEndian !== hostIsBigEndian;
    this.#s0 = seed[0] | 0;
    this.#s1 = seed[1] | 0;
  }

  /** The first word, from 0 to 2^32 - 1. */
  get s0(): number {
    return this.#s0 >>> 0;
  }

  /** The second word, likewise. */
  get s1(): number {
    return this.#s1 >>> 0;
  }

  get value(): WalChecksum {
    return [this.s0, this.s1];
  }

  /** Goes on over `words[start]` to `words[end - 1]`, an even number of words in this machine's byte order. */
  add(words: Int32Array, start: number, end: number): void {
    // Locals, signed arithmetic and typed elements that need no check: these loops run over gigabytes.
    let s0 = this.#s0;
    let s1 = this.#s1;
    if (this.#isSwapped) {
      for (let i = start; i < end; i += 2) {
        s0 = (s0 + swapped(words[i] as number) + s1) | 0;
        s1 = (s1 + swapped(words[i + 1] as number) + s0) | 0;
      }
    } else {
      for (let i = start; i < end; i += 2) {
        s0 = (s0 + (words[i] as number) + s1) | 0;
        s1 = (s1 + (words[i + 1] as number) + s0) | 0;
      }
    }
    this.#s0 = s0;
    this.#s1 = s1;
  }
}

/**
 * SQLite's WAL checksum over `bytes`, continuing from `seed`.
 *
 * @throws RangeError unless `bytes` is a multiple of 8 long.
 */
export function walChecksum(bytes: Uint8Array, bigEndian: boolean, seed: WalChecksum = [0, 0]): WalChecksum {
  if (bytes.length % 8 !== 0) throw new RangeError(`a WAL checksum covers a multiple of 8 bytes, not ${bytes.length}`);
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const sum = new WalChecksummer(bigEndian, seed);
  sum.add(words, 0, words.length);
  return sum.value;
}

function swapped(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
