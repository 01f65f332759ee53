import { describe, expect, test } from "bun:test";
import { walChecksum } from "@litestream/testkit";
import { addBytes, type Checksum } from "../../src/wal/checksum.ts";

function seededBytes(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 131 + (i >>> 3) * 17) & 0xff);
}

function unsigned(sum: Checksum): [number, number] {
  return [sum.s1 >>> 0, sum.s2 >>> 0];
}

describe("addBytes", () => {
  for (const bigEndianChecksum of [false, true]) {
    const order = bigEndianChecksum ? "big-endian" : "little-endian";

    test(`agrees with an independent checksum in ${order} order`, () => {
      for (const size of [0, 8, 24, 512, 4096, 65536]) {
        const bytes = seededBytes(size);
        const sum = { s1: 0, s2: 0 };
        addBytes(sum, bytes, bigEndianChecksum);
        expect(unsigned(sum)).toEqual([...walChecksum(bytes, bigEndianChecksum)]);
      }
    });

    test(`continues a sum over bytes at any address in ${order} order`, () => {
      const bytes = seededBytes(4104);
      const whole = { s1: 0, s2: 0 };
      addBytes(whole, bytes, bigEndianChecksum);
      for (const shift of [0, 1, 2, 3]) {
        const memory = new Uint8Array(bytes.byteLength + shift);
        memory.set(bytes, shift);
        const parts = { s1: 0, s2: 0 };
        addBytes(parts, memory.subarray(shift, shift + 1000), bigEndianChecksum);
        addBytes(parts, memory.subarray(shift + 1000), bigEndianChecksum);
        expect(parts).toEqual(whole);
      }
    });
  }
});
