import { describe, expect, test } from "bun:test";
import { describeWal, type WalOptions } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { scanWal, type WalScan } from "../../src/wal/scan.ts";
import { failureOf, inChunks } from "../bytes.ts";

const options: WalOptions = {
  pageSize: 1024,
  salt1: 11,
  salt2: 22,
  transactions: Array.from({ length: 6 }, (_, i) => ({
    pages: [{ pgno: 1 }, { pgno: i + 2 }],
    commitPageCount: i + 2,
  })),
};
const frameSize = 24 + 1024;

function scan(bytes: Uint8Array, chunkSizeBytes: number = 777): Promise<WalScan> {
  return scanWal(inChunks(bytes, chunkSizeBytes), "1.wal");
}

describe("scanWal", () => {
  test("gives every frame's page, and where the last commit ends", async () => {
    for (const bigEndianChecksum of [false, true]) {
      const wal = describeWal({ ...options, bigEndianChecksum });
      const pages: [number, boolean][] = [];
      const result = await scanWal(inChunks(wal.bytes, 100), "1.wal", ({ pgno }, page) => {
        const start = 32 + pages.length * frameSize + 24;
        pages.push([pgno, Buffer.compare(page, wal.bytes.subarray(start, start + 1024)) === 0]);
      });
      expect(pages).toEqual(wal.frames.map(({ pgno }) => [pgno, true]));
      expect(result).toMatchObject({ stop: "end", sizeBytes: wal.bytes.byteLength, endOffset: wal.bytes.byteLength });
      expect(result.commit).toMatchObject({ offset: wal.committedBytes, pageCount: wal.pageCount });
    }
  });

  test("stops at a given offset", async () => {
    const wal = describeWal(options);
    const until = 32 + 4 * frameSize;
    const result = await scanWal(inChunks(wal.bytes), "1.wal", undefined, until);
    expect(result).toMatchObject({ stop: "end", endOffset: until });
    expect(result.commit.pageCount).toBe(3);
  });

  test("finds the last commit before any cut", async () => {
    const wal = describeWal(options);
    for (let size = 32; size <= wal.bytes.byteLength; size += 131) {
      const result = await scan(wal.bytes.subarray(0, size));
      const frames = Math.floor((size - 32) / frameSize);
      expect(result.endOffset).toBe(32 + frames * frameSize);
      expect(result.commit.offset).toBe(32 + (frames - (frames % 2)) * frameSize);
      expect(result.stop).toBe(size === result.endOffset ? "end" : "short");
      expect(result.sizeBytes).toBe(size);
    }
  });

  test("says that there is no header in less than one", async () => {
    const wal = describeWal(options);
    expect(await scan(wal.bytes.subarray(0, 31))).toMatchObject({ header: undefined, stop: "short", sizeBytes: 31 });
    expect(await scan(new Uint8Array(0))).toMatchObject({ header: undefined, stop: "end", sizeBytes: 0 });
    const header = await scan(wal.bytes.subarray(0, 32));
    expect(header).toMatchObject({ stop: "end", endOffset: 32 });
    expect(header.commit.pageCount).toBe(0);
  });

  test("fails on a header that is none", async () => {
    const error = await failureOf(() => scan(describeWal({ ...options, wrongHeaderChecksum: true }).bytes));
    expect(isLitestreamError(error, "FORMAT_INVALID")).toBe(true);
  });

  test("sees right frames behind one that fails", async () => {
    for (const frame of [1, 2, 7, 11]) {
      const page = describeWal(options).bytes;
      page[32 + (frame - 1) * frameSize + 24 + 500] = 0x55;
      const salt = describeWal({ ...options, wrongSaltAtFrame: frame }).bytes;
      for (const [bytes, stop] of [
        [page, "checksum"],
        [salt, "salt"],
      ] as const) {
        for (const chunkSizeBytes of [777, 1 << 20]) {
          const result = await scan(bytes, chunkSizeBytes);
          expect(result).toMatchObject({ stop, endOffset: 32 + (frame - 1) * frameSize, continues: true });
          expect(result.sizeBytes).toBe(bytes.byteLength);
        }
      }
    }
    // The frame after a wrong stored checksum does not follow from it, the one after that does.
    const stored = await scan(describeWal({ ...options, wrongChecksumAtFrame: 5 }).bytes);
    expect(stored).toMatchObject({ stop: "checksum", continues: true });
  });

  test("sees that nothing behind a torn end is right", async () => {
    const { bytes } = describeWal(options);
    const tails = [new Uint8Array(3 * frameSize), bytes.slice(32, 32 + frameSize), Buffer.from("garbage".repeat(1000))];
    for (const tail of tails) {
      const result = await scan(Buffer.concat([bytes, tail]));
      expect(result.continues).toBe(false);
      expect(result.commit.offset).toBe(bytes.byteLength);
      expect(result.sizeBytes).toBe(bytes.byteLength + tail.byteLength);
    }
    const torn = Uint8Array.from(bytes);
    torn.fill(0, bytes.byteLength - 300);
    expect(await scan(torn)).toMatchObject({ stop: "checksum", continues: false });
  });
});
