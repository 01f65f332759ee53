import { describe, expect, test } from "bun:test";
import { describeWal, type WalOptions } from "@litestream/testkit";
import { WalChain, type WalFrame } from "../../src/wal/chain.ts";
import { parseWalHeader } from "../../src/wal/header.ts";

const base: WalOptions = {
  pageSize: 1024,
  salt1: 11,
  salt2: 22,
  transactions: [
    {
      pages: [
        { pgno: 1, data: 1 },
        { pgno: 2, data: 2 },
      ],
      commitPageCount: 2,
    },
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
