import { describe, expect, test } from "bun:test";
import { describeWal, type WalOptions } from "@litestream/testkit";
import { WalChain, type WalFrame } from "../../src/wal/chain.ts";
import { parseWalHeader } from "../../src/wal/header.ts";
import { WalStreamVerifier } from "../../src/wal/stream.ts";

const base: WalOptions = {
  pageSize: 1024,
  salt1: 11,
  salt2: 22,
  transactions: [
    { pages: [{ pgno: 1, data: 1 }, { pgno: 2, data: 2 }], commitPageCount: 2 },
    { pages: [{ pgno: 3, data: 3 }], commitPageCount: 3 },
  ],
};
const frameSize = 1024 + 24;

function chainOf(options: WalOptions): { chain: WalChain; stop: string; frames: WalFrame[]; mxFrame: number } {
  const built = describeWal(options);
  const chain = new WalChain(parseWalHeader(built.bytes, "w"));
  const frames: WalFrame[] = [];
  const { stop } = chain.extend(built.bytes.subarray(32), (frame) => frames.push(frame));
  return { chain, stop, frames, mxFrame: built.mxFrame };
}

describe("WalChain", () => {
  for (const pageSize of [512, 1024, 4096, 65536]) {
    for (const bigEndianChecksum of [false, true]) {
      test(`verifies ${pageSize}-byte pages with ${bigEndianChecksum ? "big" : "little"}-endian checksums`, () => {
        const { chain, stop, frames } = chainOf({ ...base, pageSize, bigEndianChecksum });
        expect(stop).toBe("end");
        expect(frames.map((frame) => [frame.pgno, frame.commitPageCount])).toEqual([
          [1, 0],
          [2, 2],
          [3, 3],
        ]);
        expect(chain.commit).toMatchObject({ offset: 32 + 3 * (pageSize + 24), pageCount: 3 });
      });
    }
  }

  test("keeps the last commit apart from a transaction that did not commit", () => {
    const { chain, stop } = chainOf({ ...base, uncommitted: [{ pgno: 9, data: 9 }] });
    expect(stop).toBe("end");
    expect(chain.end.offset).toBe(32 + 4 * frameSize);
    expect(chain.commit.offset).toBe(32 + 3 * frameSize);
  });

  test("stops with `short` in a torn frame", () => {
    const { chain, stop } = chainOf({ ...base, cutBytes: 1 });
    expect(stop).toBe("short");
    expect(chain.commit).toMatchObject({ offset: 32 + 2 * frameSize, pageCount: 2 });
  });

  test("stops with `checksum` at a frame whose bytes changed, and takes nothing behind it", () => {
    const { chain, stop } = chainOf({ ...base, wrongChecksumAtFrame: 2 });
    expect(stop).toBe("checksum");
    expect(chain.end.offset).toBe(32 + frameSize);
    expect(chain.commit).toMatchObject({ offset: 32, pageCount: 0 });
  });

  test("stops with `salt` at a frame of an older WAL", () => {
    const { chain, stop } = chainOf({ ...base, wrongSaltAtFrame: 3 });
    expect(stop).toBe("salt");
    expect(chain.commit.offset).toBe(32 + 2 * frameSize);
  });

  test("reads frames from Node buffers at any address", () => {
    const { bytes } = describeWal(base);
    for (const shift of [0, 1, 2, 3]) {
      const memory = Buffer.alloc(bytes.byteLength + shift);
      memory.set(bytes, shift);
      const wal = memory.subarray(shift);
      expect(new WalChain(parseWalHeader(wal, "w")).extend(wal.subarray(32)).stop).toBe("end");
    }
  });

  test("goes on from the end of a commit as if it had read from the start", () => {
    const { bytes } = describeWal(base);
    const header = parseWalHeader(bytes, "w");
    const first = new WalChain(header);
    first.extend(bytes.subarray(32, 32 + 2 * frameSize));
    const second = new WalChain(header, first.commit);
    expect(second.extend(bytes.subarray(32 + 2 * frameSize))).toEqual({ verifiedBytes: frameSize, stop: "end" });
    const whole = new WalChain(header);
    whole.extend(bytes.subarray(32));
    expect(second.end).toEqual(whole.end);
  });
});

describe("WalStreamVerifier", () => {
  test("finds the same frames however the stream is cut", () => {
    const { bytes } = describeWal({ ...base, uncommitted: [{ pgno: 5, data: 5 }] });
    for (const size of [1, 7, 31, 32, 33, 1047, 1048, 1049, 5000]) {
      const verifier = new WalStreamVerifier("w");
      const pages: number[] = [];
      for (let start = 0; start < bytes.byteLength; start += size) {
        verifier.push(bytes.subarray(start, start + size), (frame, within) => {
          pages.push(frame.pgno);
          const at = 32 + (pages.length - 1) * frameSize + 24;
          expect(within.subarray(frame.pageStart, frame.pageStart + 1024)).toEqual(bytes.subarray(at, at + 1024));
        });
      }
      expect(pages).toEqual([1, 2, 3, 5]);
      expect(verifier.stop).toBe("end");
      expect(verifier.sizeBytes).toBe(bytes.byteLength);
      expect(verifier.chain?.commit.offset).toBe(32 + 3 * frameSize);
    }
  });

  test("keeps what it holds back when the producer reuses its buffer", () => {
    const { bytes } = describeWal(base);
    const buffer = Buffer.alloc(1500);
    const verifier = new WalStreamVerifier("w");
    for (let start = 0; start < bytes.byteLength; start += buffer.byteLength) {
      const size = Math.min(buffer.byteLength, bytes.byteLength - start);
      buffer.set(bytes.subarray(start, start + size));
      verifier.push(buffer.subarray(0, size));
    }
    expect(verifier.stop).toBe("end");
    expect(verifier.chain?.commit.offset).toBe(bytes.byteLength);
  });

  test("tells a stream that ends inside a frame from one that breaks", () => {
    const cut = new WalStreamVerifier("w");
    cut.push(describeWal({ ...base, cutBytes: 10 }).bytes);
    expect(cut.stop).toBe("short");
    const broken = new WalStreamVerifier("w");
    broken.push(describeWal({ ...base, wrongSaltAtFrame: 1 }).bytes);
    expect(broken.stop).toBe("salt");
    expect(broken.chain?.commit.offset).toBe(32);
  });
});
