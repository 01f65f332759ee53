import { describe, expect, test } from "bun:test";
import { buildWal } from "@litestream/testkit";
import { isPageSize } from "../../src/page-size.ts";
import { formatWalHeader, parseWalHeader } from "../../src/wal/header.ts";

const pageSizes = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

function headerOf(pageSize: number, bigEndianChecksum: boolean): Uint8Array {
  const wal = buildWal({
    pageSize,
    bigEndianChecksum,
    checkpointSequence: 7,
    salt1: 0xfedcba98,
    salt2: 3,
    transactions: [],
  });
  return wal.subarray(0, 32);
}

describe("parseWalHeader", () => {
  test("reads every page size in both checksum orders, and formatWalHeader writes it back", () => {
    for (const pageSize of pageSizes) {
      for (const bigEndianChecksum of [false, true]) {
        const bytes = headerOf(pageSize, bigEndianChecksum);
        const header = parseWalHeader(bytes, "w");
        expect(header).toMatchObject({ pageSize, bigEndianChecksum, checkpointSequence: 7 });
        expect(header.salts).toEqual({ salt1: 0xfedcba98, salt2: 3 });
        expect(formatWalHeader(header)).toEqual(bytes);
      }
    }
  });

  test("rejects every truncation", () => {
    const bytes = headerOf(4096, false);
    for (let size = 0; size < 32; size++) {
      expect(() => parseWalHeader(bytes.subarray(0, size), "w")).toThrow("shorter than a WAL header");
    }
  });

  test("rejects a header with any one bit flipped", () => {
    for (const bigEndianChecksum of [false, true]) {
      for (let bit = 0; bit < 32 * 8; bit++) {
        const bytes = headerOf(4096, bigEndianChecksum).slice();
        bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => parseWalHeader(bytes, "db-wal")).toThrow("not a WAL: db-wal");
      }
    }
  });
});

describe("isPageSize", () => {
  test("accepts SQLite's page sizes and nothing else", () => {
    const accepted = Array.from({ length: 70_000 }, (_, value) => value).filter(isPageSize);
    expect(accepted).toEqual(pageSizes);
    expect(isPageSize(131072)).toBe(false);
  });
});
