import { describe, expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { RunningXxHash32, xxHash32 } from "../../src/lz4/xxhash32.ts";

const content = new SeededRandom(1).fill(new Uint8Array(5000));

describe("RunningXxHash32", () => {
  test("gives the values of the specification's own tests", () => {
    const hash = new RunningXxHash32();
    expect(hash.digest()).toBe(0x02cc5d05);
    hash.update(new TextEncoder().encode("Nobody inspects the spammish repetition"));
    expect(hash.digest()).toBe(0xe2293b2f);
  });

  test("agrees with Bun's own hash, whatever the size, the pieces and where they lie in memory", () => {
    const random = new SeededRandom(2);
    for (let size = 0; size < 300; size++) {
      const start = size % 5;
      const bytes = content.subarray(start, start + size);
      const hash = new RunningXxHash32();
      for (let at = 0; at < size;) {
        const piece = bytes.subarray(at, at + 1 + (random.uint32() % 40));
        hash.update(piece);
        at += piece.byteLength;
      }
      expect([size, hash.digest()]).toEqual([size, Bun.hash.xxHash32(bytes)]);
      expect(xxHash32(bytes)).toBe(hash.digest());
    }
  });
});
