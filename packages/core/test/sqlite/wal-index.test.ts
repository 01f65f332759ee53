import { describe, expect, test } from "bun:test";
import { buildWalIndexHeader, describeWal } from "@litestream/testkit";
import { isBackfilled, isHeaderOf, parseWalIndex, walIndexHeaderSizeBytes } from "../../src/sqlite/wal-index.ts";

const wal = describeWal({
  pageSize: 65536,
  salt1: 0x80000001,
  salt2: 2,
  transactions: [{ pages: [{ pgno: 1, data: 1 }], commitPageCount: 1 }],
});
const bytes = buildWalIndexHeader({ ...wal, nBackfill: 0, readMarks: [0, 1] });

describe("parseWalIndex", () => {
  test("reads mxFrame, checksum, salts, nBackfill and the marks that are set", () => {
    const view = parseWalIndex(bytes);
    expect(view).toMatchObject({ pageSize: 65536, mxFrame: 1, pageCount: 1, nBackfill: 0, bigEndianChecksum: false });
    expect(view?.salts).toEqual({ salt1: 0x80000001, salt2: 2 });
    expect([(view?.frameChecksum.s1 ?? 0) >>> 0, (view?.frameChecksum.s2 ?? 0) >>> 0]).toEqual([...wal.frameChecksum]);
    expect(view?.readMarks).toEqual([1]);
  });

  test("gives nothing while the two copies differ, at whichever byte", () => {
    for (let offset = 0; offset < 96; offset++) {
      const torn = bytes.slice();
      torn[offset] = (torn[offset] ?? 0) ^ 1;
      expect(parseWalIndex(torn)).toBeUndefined();
    }
  });

  test("gives nothing when both copies hold a header that fails its checksum", () => {
    for (let offset = 0; offset < 48; offset++) {
      const wrong = bytes.slice();
      for (const copy of [offset, offset + 48]) wrong[copy] = (wrong[copy] ?? 0) ^ 4;
      expect(parseWalIndex(wrong)).toBeUndefined();
    }
  });

  test("gives nothing for a file that is too short or not recovered yet", () => {
    expect(parseWalIndex(bytes.subarray(0, walIndexHeaderSizeBytes - 1))).toBeUndefined();
    expect(parseWalIndex(new Uint8Array(32768))).toBeUndefined();
  });
});

describe("isBackfilled", () => {
  test("is true once nBackfill has reached mxFrame", () => {
    const view = parseWalIndex(bytes);
    if (view === undefined) throw new Error("the wal-index does not parse");
    expect(isBackfilled(view)).toBe(false);
    expect(isBackfilled({ ...view, nBackfill: 1 })).toBe(true);
    expect(isBackfilled({ ...view, mxFrame: 0 })).toBe(true);
  });
});

describe("isHeaderOf", () => {
  test("is true for the header that was read, and false for one with another end or other salts", () => {
    const view = parseWalIndex(bytes);
    if (view === undefined) throw new Error("a sound header is read");
    const copy = new Uint8Array(bytes.slice(0, 48));
    expect(isHeaderOf(view, copy)).toBe(true);
    for (const offset of [16, 17, 24, 28, 32, 39]) {
      const other = new Uint8Array(copy);
      other[offset] = (other[offset] ?? 0) ^ 1;
      expect(isHeaderOf(view, other)).toBe(false);
    }
  });
});
