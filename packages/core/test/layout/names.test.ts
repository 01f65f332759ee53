import { describe, expect, test } from "bun:test";
import { parseGeneration } from "../../src/generation.ts";
import { parseSnapshotKey, snapshotKey } from "../../src/layout/generations.ts";
import { parseSegmentKey, segmentKey } from "../../src/layout/segments.ts";
import { parseWalKey, walKey } from "../../src/layout/whole.ts";
import { walIndex, walIndexMax } from "../../src/position.ts";

const generation = parseGeneration("0123456789abcdef");
const indexes = [0, 0x1f, walIndexMax].map((number) => walIndex(number));

describe("keys", () => {
  test("are Litestream's", () => {
    const index = walIndex(0x2a);
    expect(snapshotKey(generation, index, true)).toBe("generations/0123456789abcdef/snapshots/0000002a.snapshot.lz4");
    expect(walKey(generation, index, false)).toBe("generations/0123456789abcdef/wal/0000002a.wal");
    expect(walKey(generation, index, true)).toBe("generations/0123456789abcdef/wal/0000002a.wal.lz4");
    expect(segmentKey(generation, index, 4152, true)).toBe(
      "generations/0123456789abcdef/wal/0000002a_00001038.wal.lz4",
    );
    expect(segmentKey(generation, index, 2 ** 33, true)).toBe(
      "generations/0123456789abcdef/wal/0000002a_200000000.wal.lz4",
    );
  });

  test("parse to the parts they were made of", () => {
    for (const index of indexes) {
      for (const compressed of [false, true]) {
        const name = { generation, index, compressed };
        expect(parseSnapshotKey(snapshotKey(generation, index, compressed))).toEqual(name);
        expect(parseWalKey(walKey(generation, index, compressed))).toEqual(name);
        for (const offset of [0, 32, 2 ** 40]) {
          expect(parseSegmentKey(segmentKey(generation, index, offset, compressed))).toEqual({ ...name, offset });
        }
      }
    }
  });

  test("of other things parse to nothing", () => {
    for (const key of [
      "generations/0123456789abcdef/wal/0000002a.wal.lz4.tmp",
      "generations/0123456789abcdef/wal/0000002A.wal",
      "generations/0123456789abcdef/wal/zzzzzzzz.wal.lz4",
      "generations/0123456789abcdef/wal/ffffffff.wal",
      "generations/0123456789abcdef/wal/README.txt",
      "generations/0123456789abcdef/wal/0000002a_.wal.lz4",
      "generations/0123456789abcdef/wal/sub/0000002a.wal",
      "generations/0123456789abcdef/snapshots/0000002a.wal",
      "generations/0123456789abcdef/snapshots/0000002a.snapshot.gz",
      "generations/not-a-generation/snapshots/00000000.snapshot.lz4",
      "x/generations/0123456789abcdef/wal/0000002a.wal",
      "generations/.DS_Store",
      "",
    ]) {
      expect([parseSnapshotKey(key), parseWalKey(key), parseSegmentKey(key)]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }
  });
});
