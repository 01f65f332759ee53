import { expect, test } from "bun:test";
import { walChecksum } from "../../src/wal/checksum.ts";

const bytes = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4);

test("walChecksum adds big-endian words as the format defines", () => {
  // s0 = 1; s1 = 2 + 1 = 3; s0 = 1 - 1 + 3 = 3; s1 = 3 + 4 + 3 = 10
  expect(walChecksum(bytes, true)).toEqual([3, 10]);
});

test("walChecksum adds little-endian words as the format defines", () => {
  // s0 = 0x01000000; s1 = 0x03000000; s0 = 0x01000000 - 1 + 0x03000000; s1 = 0x03000000 + 0x04000000 + s0
  expect(walChecksum(bytes, false)).toEqual([0x03ffffff, 0x0affffff]);
});

test("walChecksum continues from the checksum of what came before", () => {
  for (const bigEndian of [true, false]) {
    const first = walChecksum(bytes.subarray(0, 8), bigEndian);
    expect(walChecksum(bytes.subarray(8), bigEndian, first)).toEqual(walChecksum(bytes, bigEndian));
  }
});

test("walChecksum refuses bytes that are not whole pairs of words", () => {
  expect(() => walChecksum(bytes.subarray(0, 12), true)).toThrow("a multiple of 8 bytes, not 12");
});
