import { skipUnless } from "@litestream/testkit/skip";
import { describe, expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { decompressLz4 } from "../../src/lz4/frame-reader.ts";
import { collect, failureOf, fixtureContent, inChunks } from "../bytes.ts";

const mebibyte = 1024 * 1024;
const blockSizeBytes = 4 * mebibyte;

const lz4Command = Bun.which("lz4");

function randomBytes(sizeBytes: number): Uint8Array {
  const random = new SeededRandom(7, sizeBytes);
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.uint32();
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

describe("compressLz4", () => {
  test("begins with Litestream's frame header", async () => {
    const frame = await collect(compressLz4(inChunks(fixtureContent())));
    expect(frame.subarray(0, 7).toString("hex")).toBe("04224d186470b9");
  });

  test("ends with an end mark and the xxHash32 of the content", async () => {
    const frame = await collect(compressLz4(inChunks(fixtureContent())));
    expect(frame.subarray(-8).toString("hex")).toBe("0000000027345e34");
  });

  test("writes an empty content as a header, an end mark and a checksum", async () => {
    const frame = await collect(compressLz4(inChunks(new Uint8Array(0))));
    expect(frame.toString("hex")).toBe("04224d186470b900000000055dcc02");
    expect(await collect(decompressLz4(inChunks(frame), { path: "x" }))).toHaveLength(0);
  });

  test("stores a block that does not shrink as it is", async () => {
    const content = randomBytes(100_000);
    const frame = await collect(compressLz4(inChunks(content)));
    expect(frame.readUInt32LE(7)).toBe(0x80000000 + 100_000);
    expect(frame.subarray(11, 11 + 100_000).equals(content)).toBe(true);
    expect(frame).toHaveLength(7 + 4 + 100_000 + 8);
  });

  for (const sizeBytes of [1, 4096, blockSizeBytes - 1, blockSizeBytes, blockSizeBytes + 1, 9 * mebibyte + 5]) {
    for (const chunkSizeBytes of [65_536, 5 * mebibyte]) {
      test(`gives back ${sizeBytes} bytes that came in chunks of ${chunkSizeBytes}`, async () => {
        const content = randomBytes(sizeBytes);
        // Half of each page is zeros, so that blocks shrink.
        for (let page = 0; page < sizeBytes; page += 4096) content.fill(0, page, Math.min(page + 2048, sizeBytes));
        const frame = await collect(compressLz4(inChunks(content, chunkSizeBytes)));
        expect(frame.byteLength).toBeLessThan(sizeBytes * 0.51 + 4096);
        const read = await collect(decompressLz4(inChunks(frame, chunkSizeBytes), { path: "x" }));
        expect(read.equals(content)).toBe(true);
      });
    }
  }

  skipUnless(lz4Command ?? undefined, "the lz4 command is not installed")(
    "writes what the lz4 command reads",
    async (lz4) => {
      const content = Buffer.concat([randomBytes(5 * mebibyte), fixtureContent()]);
      const frame = await collect(compressLz4(inChunks(content)));
      const child = Bun.spawn([lz4, "-d", "-c"], { stdin: new Blob([frame]), stdout: "pipe" });
      const output = Buffer.from(await new Response(child.stdout).arrayBuffer());
      expect(await child.exited).toBe(0);
      expect(output.equals(content)).toBe(true);
    },
  );

  test("passes on an error of its source", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(new Uint8Array(10));
      throw new Error("disk gone");
    }
    expect(await failureOf(() => collect(compressLz4(failing())))).toEqual(new Error("disk gone"));
  });
});
