import { describe, expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { Crc64 } from "../../src/ltx/crc64.ts";

/** One bit at a time, as the standard has it. */
function bitwise(bytes: Uint8Array): bigint {
  const ones = 0xffff_ffff_ffff_ffffn;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ ((crc & 1n) === 1n ? 0xd800_0000_0000_0000n : 0n);
  }
  return crc ^ ones;
}

describe("Crc64", () => {
  test("has the check value of its standard", () => {
    const crc = new Crc64();
    expect(crc.digest()).toBe(0n);
    crc.update(new TextEncoder().encode("123456789"));
    expect(crc.digest().toString(16)).toBe("b90956c775a41001");
    expect([crc.high, crc.low].map((half) => (half >>> 0).toString(16))).toEqual(["b90956c7", "75a41001"]);
  });

  test("is that of single bits, for any bytes in any pieces wherever they lie in memory", () => {
    const seed = 7;
    const random = new SeededRandom(seed);
    for (let round = 0; round < 60; round++) {
      const memory = Buffer.from(Array.from({ length: 700 }, () => random.below(256)));
      const start = random.below(9);
      const bytes = memory.subarray(start, start + random.below(600));
      const crc = new Crc64();
      for (let at = 0; at < bytes.byteLength;) {
        const piece = bytes.subarray(at, at + 1 + random.below(round % 2 === 0 ? 20 : 300));
        crc.update(piece);
        at += piece.byteLength;
      }
      expect({ seed, round, crc: crc.digest() }).toEqual({ seed, round, crc: bitwise(bytes) });
    }
  });
});
