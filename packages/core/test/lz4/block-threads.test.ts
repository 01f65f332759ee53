import { describe, expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { openBlockThreads } from "../../src/lz4/block-threads.ts";
import { decompressLz4 } from "../../src/lz4/frame-reader.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { collect, failureOf, inChunks } from "../bytes.ts";

/** 6 blocks: some of noise, stored as they are, some that compress. */
const content = ((): Uint8Array => {
  const bytes = new Uint8Array(25_000_000);
  const random = new SeededRandom(7);
  for (let start = 0; start < bytes.byteLength; start += 6_000_000) {
    random.fill(bytes.subarray(start, start + 3_500_000));
  }
  return bytes;
})();
const compressed = await collect(compressLz4(inChunks(content, 1 << 20)));

function decompress(bytes: Uint8Array): Promise<Buffer> {
  return collect(decompressLz4(inChunks(bytes, 1 << 20), { path: "object" }));
}

describe("decompressLz4 on other threads", () => {
  for (const threads of [1, 3]) {
    test(`gives the same content, with ${threads}`, async () => {
      using _threads = openBlockThreads(threads);
      // The first begins here and goes on there.
      for (let run = 0; run < 2; run++) expect((await decompress(compressed)).equals(content)).toBe(true);
      const both = await Promise.all([decompress(compressed), decompress(compressed)]);
      for (const bytes of both) expect(bytes.equals(content)).toBe(true);
    });

    test(`finds the same damage at the same place, with ${threads}`, async () => {
      const cut = compressed.subarray(0, compressed.byteLength - 3_000_000);
      const changed = Buffer.from(compressed);
      changed.fill(0xff, changed.byteLength - 2_000_000, changed.byteLength - 1_900_000);
      for (const damaged of [cut, changed]) {
        const here = await failureOf(() => decompress(damaged));
        using _threads = openBlockThreads(threads);
        await decompress(compressed);
        const there = await failureOf(() => decompress(damaged));
        if (!isLitestreamError(here, "BACKUP_DAMAGED") || !isLitestreamError(there, "BACKUP_DAMAGED")) throw there;
        expect(there.message).toBe(here.message);
        expect(there.offset).toBe(here.offset ?? -1);
      }
    });
  }

  test("ends when the reader stops early", async () => {
    using _threads = openBlockThreads(2);
    await decompress(compressed);
    for (let run = 0; run < 3; run++) {
      for await (const chunk of decompressLz4(inChunks(compressed, 1 << 20), { path: "object" })) {
        if (chunk.byteLength > 0) break;
      }
    }
    expect((await decompress(compressed)).equals(content)).toBe(true);
  });
});

describe("compressLz4 on other threads", () => {
  test("gives the same frame as without", async () => {
    for (let run = 0; run < 2; run++) {
      expect((await collect(compressLz4(inChunks(content, 1 << 20)))).equals(compressed)).toBe(true);
    }
    const both = await Promise.all([0, 1].map(() => collect(compressLz4(inChunks(content, 700_001)))));
    for (const bytes of both) expect(bytes.equals(compressed)).toBe(true);
  });

  test("ends when the reader stops early, and when the content fails", async () => {
    for (let run = 0; run < 3; run++) {
      let blocks = 0;
      for await (const _ of compressLz4(inChunks(content, 1 << 20))) if (++blocks === 4) break;
    }
    async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
      yield content.subarray(0, 20_000_000);
      throw new Error("the disk is gone");
    }
    expect((await failureOf(() => collect(compressLz4(failing())))) as Error).toHaveProperty(
      "message",
      "the disk is gone",
    );
    expect((await collect(compressLz4(inChunks(content, 1 << 20)))).equals(compressed)).toBe(true);
  });
});
