/**
 * Pseudo-random numbers that are the same for the same seeds on every run and machine (sfc32 by Chris Doty-Humphrey).
 * Not for secrets.
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Each seed is used modulo 2^32; several of them make independent streams, one for each combination. */
  constructor(...seeds: number[]) {
    let mixed = 0x9e3779b9;
    for (const seed of seeds) mixed = mix(mixed ^ mix(seed | 0));
    this.#a = mixed;
    this.#b = mix(mixed + 1);
    this.#c = mix(mixed + 2);
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** From 0 to 2^32 - 1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 up to, but not including, 1. */
  fraction(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 0x20000000000000;
  }

  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** Fills `bytes` with noise that does not compress. Returns `bytes`. */
  fill<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    const words = new Int32Array((bytes.length + 3) >>> 2);
    // Locals, not fields: this loop makes gigabytes.
    let a = this.#a;
    let b = this.#b;
    let c = this.#c;
    let counter = this.#counter;
    for (let i = 0; i < words.length; i++) {
      const sum = (a + b + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + sum) | 0;
      words[i] = sum;
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#counter = counter;
    bytes.set(new Uint8Array(words.buffer, 0, bytes.length));
    return bytes;
  }
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
