import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { isLitestreamError, LitestreamError } from "../../src/errors.ts";
import { decompressLz4 } from "../../src/lz4/frame-reader.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { xxHash32 } from "../../src/lz4/xxhash32.ts";
import { collect, failureOf, fixtureContent, inChunks } from "../bytes.ts";

const content = fixtureContent();

/** Made by `lz4` 1.9.4: -B4 -BD; -B4 -BD -BX --content-size; -B4 -BX --no-frame-crc. */
const fixtureNames = ["linked", "linked-checked-sized", "independent-checked"] as const;

async function fixture(name: (typeof fixtureNames)[number]): Promise<Buffer> {
  return Buffer.from(await Bun.file(join(import.meta.dirname, "fixtures", `${name}.lz4`)).bytes());
}

function decompress(bytes: Uint8Array, chunkSizeBytes?: number): Promise<Buffer> {
  return collect(decompressLz4(inChunks(bytes, chunkSizeBytes), { path: "generations/x/wal/1.wal.lz4" }));
}

async function damageOf(bytes: Uint8Array): Promise<LitestreamError> {
  const error = await failureOf(() => decompress(bytes));
  if (!isLitestreamError(error, "BACKUP_DAMAGED")) throw error;
  expect(error.path).toBe("generations/x/wal/1.wal.lz4");
  expect(error.message).toContain("generations/x/wal/1.wal.lz4");
  expect(error.offset).toBeGreaterThanOrEqual(0);
  expect(error.offset).toBeLessThanOrEqual(bytes.byteLength);
  return error;
}

/** A frame with a right header checksum around `blocks`. */
function frameOf(flags: number, blockDescriptor: number, optional: Uint8Array, blocks: Uint8Array): Buffer {
  const descriptor = Buffer.concat([Buffer.from([flags, blockDescriptor]), optional]);
  const checksum = (xxHash32(descriptor) >>> 8) & 0xff;
  return Buffer.concat([Buffer.from("04224d18", "hex"), descriptor, Buffer.from([checksum]), blocks]);
}

const nothing = new Uint8Array(0);

describe("decompressLz4", () => {
  for (const name of fixtureNames) {
    test(`reads a frame of the lz4 command: ${name}`, async () => {
      const bytes = await fixture(name);
      for (const chunkSizeBytes of [1, 7, 1 << 20]) {
        expect((await decompress(bytes, chunkSizeBytes)).equals(content)).toBe(true);
      }
    });

    test(`fails on every truncation of a frame: ${name}`, async () => {
      const bytes = await fixture(name);
      for (let size = 0; size < bytes.byteLength; size++) await damageOf(bytes.subarray(0, size));
    });
  }

  test("fails on a flipped bit in any byte of a frame, or gives the same content", async () => {
    // The last token of a block has a match length that nothing reads: only block checksums notice a change there.
    const ours = await collect(compressLz4(inChunks(content.subarray(0, 3000))));
    for (const bytes of [await fixture("linked-checked-sized"), ours]) {
      const whole = await decompress(bytes);
      let unnoticed = 0;
      for (let at = 0; at < bytes.byteLength; at++) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        const result = await decompress(flipped).catch((error: unknown) => error);
        if (result instanceof Buffer) {
          unnoticed++;
          expect(result.equals(whole)).toBe(true);
        } else if (!isLitestreamError(result, "BACKUP_DAMAGED")) {
          throw result;
        }
      }
      expect(unnoticed).toBeLessThanOrEqual(1);
    }
  });

  test("reads concatenated and skippable frames as one content", async () => {
    const skippable = Buffer.from("532a4d1803000000abcdef", "hex");
    const bytes = Buffer.concat([
      skippable,
      await fixture("linked"),
      skippable,
      await collect(compressLz4(inChunks(content))),
      skippable,
    ]);
    expect((await decompress(bytes)).equals(Buffer.concat([content, content]))).toBe(true);
  });

  test("names what is wrong, and where", async () => {
    const whole = await fixture("linked");
    const message = async (bytes: Uint8Array): Promise<string> => (await damageOf(bytes)).message;
    expect(await message(nothing)).toContain("at byte 0: the object is empty");
    expect(await message(Buffer.from("SQLite format 3"))).toContain("at byte 0: it does not begin with the LZ4 magic");
    expect(await message(Buffer.from("02214c1800000000", "hex"))).toContain("legacy");
    expect(await message(Buffer.concat([whole, Buffer.from("garbage")]))).toContain(
      `at byte ${whole.byteLength}: something follows the end`,
    );
    expect(await message(Buffer.concat([whole, Buffer.from("ga")]))).toContain("something follows the end");
    expect(await message(whole.subarray(0, 5))).toContain("ends inside the frame header");
    expect(await message(whole.subarray(0, 9))).toContain("at byte 9: it ends inside the size of a block");
    expect(await message(whole.subarray(0, 100))).toContain("at byte 100: it ends inside a block");
    expect(await message(whole.subarray(0, -1))).toContain("ends inside the content checksum");
    expect(await message(Buffer.from("532a4d1803000000ab", "hex"))).toContain("ends inside a skippable frame");
    expect(await message(Buffer.from("532a4d1801000000ab", "hex"))).toContain("it holds no LZ4 frame");
  });

  test("rejects dictionaries, unknown versions and reserved values", async () => {
    const message = async (...of: Parameters<typeof frameOf>): Promise<string> =>
      (await damageOf(frameOf(...of))).message;
    expect(await message(0x61, 0x70, new Uint8Array(4), Buffer.alloc(4))).toContain("dictionary");
    expect(await message(0xa0, 0x70, nothing, Buffer.alloc(4))).toContain("version 2");
    expect(await message(0x62, 0x70, nothing, Buffer.alloc(4))).toContain("reserved");
    expect(await message(0x60, 0x30, nothing, Buffer.alloc(4))).toContain("reserved");
    expect(await message(0x60, 0xf0, nothing, Buffer.alloc(4))).toContain("reserved");
  });

  test("rejects a block that is larger, or decodes to more, than its frame allows", async () => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(65_537);
    expect((await damageOf(frameOf(0x60, 0x40, nothing, size))).message).toContain("65537 bytes is larger");

    // One literal, then a match of 19 + 255 × 300 bytes: 309 bytes that decode to 76,520.
    const bomb = Buffer.concat([
      Buffer.from([0x1f, 0x41, 0x01, 0x00]),
      Buffer.alloc(300, 0xff),
      Buffer.from([0, 0x50, 1, 2, 3, 4, 5]),
    ]);
    size.writeUInt32LE(bomb.byteLength);
    const error = await damageOf(frameOf(0x60, 0x40, nothing, Buffer.concat([size, bomb, Buffer.alloc(4)])));
    expect(error.message).toContain("more than the frame allows (65536)");
    expect(error.offset).toBe(7);
    const roomy = frameOf(0x60, 0x50, nothing, Buffer.concat([size, bomb, Buffer.alloc(4)]));
    expect(await decompress(roomy)).toHaveLength(1 + 19 + 255 * 300 + 5);
  });

  test("rejects a large block that decodes to more than its frame allows", async () => {
    const bomb = Buffer.concat([
      Buffer.from([0x1f, 0x41, 0x01, 0x00]),
      Buffer.alloc(70_000, 0xff),
      Buffer.from([0, 0x50, 1, 2, 3, 4, 5]),
    ]);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(bomb.byteLength);
    const error = await damageOf(frameOf(0x60, 0x70, nothing, Buffer.concat([size, bomb, Buffer.alloc(4)])));
    expect(error.message).toContain("cannot be decompressed");
  });

  test("rejects a content size that is not the content's", async () => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(2n ** 63n);
    const error = await damageOf(frameOf(0x68, 0x40, size, Buffer.alloc(4)));
    expect(error.message).toContain("9223372036854775808 bytes of content, and there are 0");
  });

  test("closes its source when the reader stops early, and when the data is damaged", async () => {
    let closed = 0;
    async function* source(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      try {
        yield* inChunks(bytes, 10);
      } finally {
        closed++;
      }
    }
    const bytes = await fixture("linked");
    for await (const chunk of decompressLz4(source(bytes), { path: "x" })) {
      expect(chunk.byteLength).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(1);
    await failureOf(() => collect(decompressLz4(source(Buffer.from("not lz4 at all")), { path: "x" })));
    expect(closed).toBe(2);
  });

  test("passes on an error of its source unchanged", async () => {
    const cause = new LitestreamError("REPLICA_UNAVAILABLE", "gone");
    async function* source(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from("04224d18", "hex"));
      throw cause;
    }
    expect(await failureOf(() => collect(decompressLz4(source(), { path: "x" })))).toBe(cause);
  });
});
