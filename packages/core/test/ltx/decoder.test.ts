import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { SeededRandom } from "@litestream/testkit";
import { isLitestreamError, LitestreamError } from "../../src/errors.ts";
import { planLtx } from "../../src/layout/ltx.ts";
import { LtxDecoder } from "../../src/ltx/decoder.ts";
import { parseTxid, txid } from "../../src/ltx/txid.ts";
import { failureOf, inChunks } from "../bytes.ts";
import { type BuiltPage, buildLtx, databaseChecksum, resealed } from "./build.ts";
import { fixtureNames, listFixture, readFixture, restoredSha256 } from "./fixtures.ts";
import { applyLtx, type ReadLtx, readLtx, type ReadOptions } from "./read.ts";

const path = "ltx/0/x.ltx";

function pageOf(pgno: number, pageSize: number = 512): BuiltPage {
  const random = new SeededRandom(pgno);
  return { pgno, data: Uint8Array.from({ length: pageSize }, (_, i) => (i % 9 < 4 ? random.below(256) : pgno & 0xff)) };
}

async function damageOf(bytes: Uint8Array, options: ReadOptions = {}): Promise<LitestreamError> {
  const error = await failureOf(() => readLtx(bytes, options));
  requireDamage(error, bytes);
  return error;
}

function requireDamage(error: unknown, bytes: Uint8Array): asserts error is LitestreamError {
  if (!isLitestreamError(error, "BACKUP_DAMAGED")) throw error;
  expect(error.path).toBe(path);
  expect(error.message).toContain(path);
  expect(error.hint).toBeDefined();
  expect(error.offset).toBeGreaterThanOrEqual(0);
  expect(error.offset).toBeLessThanOrEqual(bytes.byteLength);
}

/** Fails with a typed error, or gives what it gave before. @returns whether it was noticed */
async function requireNoticed(changed: Uint8Array, whole: ReadLtx): Promise<boolean> {
  const result = await readLtx(changed).catch((error: unknown) => error);
  if (result instanceof Error) {
    requireDamage(result, changed);
    return true;
  }
  expect(result).toEqual(whole);
  return false;
}

describe("LtxDecoder", () => {
  for (const name of fixtureNames) {
    for (const [target, sha256] of Object.entries(restoredSha256[name])) {
      test(`reads what Litestream restores of ${name} at ${target}`, async () => {
        const plan = planLtx(listFixture(name), { txid: parseTxid(target) });
        if (plan.kind !== "plan") throw new Error(plan.reason);
        for (const chunkSizeBytes of [1, 7, 65_536]) {
          const files: ReadLtx[] = [];
          for (const info of plan.files) {
            files.push(await readLtx(readFixture(name, info.path), { expected: info, chunkSizeBytes }));
          }
          expect(createHash("sha256").update(applyLtx(files)).digest("hex")).toBe(sha256);
        }
      });
    }

    test(`fails on every truncation of a file of ${name}`, async () => {
      const bytes = smallest(name);
      for (let size = 0; size < bytes.byteLength; size++) await damageOf(bytes.subarray(0, size));
    });

    test(`fails on a changed bit in a file of ${name}, or gives the same content`, async () => {
      const bytes = smallest(name);
      const whole = await readLtx(bytes);
      let unnoticed = 0;
      for (let at = 0; at < bytes.byteLength; at++) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        if (!(await requireNoticed(changed, whole))) unnoticed++;
      }
      // Compressed data can be changed and mean the same: a run of zeros may be a copy of any other such run.
      expect(unnoticed).toBeLessThan(bytes.byteLength / 20);
    });

    test(`fails on bytes of files of ${name} that are changed, moved or gone, or gives the same`, async () => {
      const seed = 11;
      const random = new SeededRandom(seed);
      for (const { path: key } of listFixture(name)) {
        const bytes = readFixture(name, key);
        const whole = await readLtx(bytes);
        for (let round = 0; round < 40; round++) await requireNoticed(damaged(bytes, random), whole);
      }
    });
  }

  test("reads pages of every size, as blocks and as frames, compressible or not", async () => {
    for (let pageSize = 512; pageSize <= 65_536; pageSize *= 2) {
      const random = new SeededRandom(pageSize);
      const pages = [
        pageOf(3, pageSize),
        { pgno: 5, data: Uint8Array.from({ length: pageSize }, () => random.below(256)) },
        { pgno: 0xffff_fffe, data: new Uint8Array(pageSize) },
      ];
      for (const flags of [0, 1]) {
        const bytes = await buildLtx({ pages: pages.map((page) => ({ ...page, flags })), pageSize, minTxid: 9n });
        const read = await readLtx(bytes, { expected: { minTxid: txid(9n), maxTxid: txid(9n) } });
        expect(read.pages).toEqual(pages.map(({ pgno, data }) => ({ pgno, data: Buffer.from(data) })));
        expect(read.trailer?.fileChecksum).toBe(bytes.readBigUInt64BE(bytes.byteLength - 8));
      }
    }
  });

  test("reads a page in a frame of any form", async () => {
    // Without a checksum, in one block and in two that are stored as they are.
    const data = new Uint8Array(512).fill(0x41);
    const raw = Buffer.concat([
      Buffer.from("04224d18604082", "hex"),
      Buffer.from("00020080", "hex"),
      data,
      Buffer.alloc(4),
    ]);
    const halves = Buffer.concat([
      Buffer.from("04224d18604082", "hex"),
      ...[data.subarray(0, 256), data.subarray(256)].map((half) =>
        Buffer.concat([Buffer.from("00010080", "hex"), half]),
      ),
      Buffer.alloc(4),
    ]);
    for (const stored of [raw, halves]) {
      const bytes = await buildLtx({ pages: [{ pgno: 1, data, flags: 0, stored }] });
      for (const chunkSizeBytes of [1, 1000]) {
        expect((await readLtx(bytes, { chunkSizeBytes })).pages).toEqual([{ pgno: 1, data: Buffer.from(data) }]);
      }
    }
  });

  test("reads a file without pages, and one of a deleted database", async () => {
    expect((await readLtx(await buildLtx({ pages: [], minTxid: 5n, commit: 7 }))).pages).toEqual([]);
    expect((await readLtx(await buildLtx({ pages: [], commit: 0 }))).header.commit).toBe(0);
    const deletion = { pages: [], flags: 0, commit: 0, minTxid: 2n, preApplyChecksum: 1n << 63n };
    await readLtx(await buildLtx(deletion));
    const error = await damageOf(await buildLtx({ ...deletion, postApplyChecksum: (1n << 63n) + 1n }));
    expect(error.message).toContain("fail the checksum of the database");
  });

  test("gives the trailer only once all is proven", async () => {
    const bytes = await buildLtx({ pages: [pageOf(1), pageOf(2)] });
    await using decoder = await LtxDecoder.open(inChunks(bytes), { path });
    expect((await decoder.nextPage())?.pgno).toBe(1);
    expect((await decoder.nextPage())?.pgno).toBe(2);
    expect(decoder.trailer).toBeUndefined();
    expect(await decoder.nextPage()).toBeUndefined();
    expect(decoder.trailer?.postApplyChecksum).toBe(0n);
    expect(await decoder.nextPage()).toBeUndefined();
  });

  test("takes a page's memory away with the next", async () => {
    for (const flags of [0, 1]) {
      const pages = [1, 2].map((pgno) => ({ ...pageOf(pgno), flags }));
      await using decoder = await LtxDecoder.open(inChunks(await buildLtx({ pages })), { path });
      const first = await decoder.nextPage();
      await decoder.nextPage();
      expect(first?.data.byteLength).toBe(0);
    }
  });

  test("verifies the checksum of the database where one is kept", async () => {
    const pages = [pageOf(1), pageOf(2), pageOf(3)];
    const { trailer } = await readLtx(await buildLtx({ pages, flags: 0 }));
    expect(trailer?.postApplyChecksum).toBe(databaseChecksum(pages));
    const message = async (options: Parameters<typeof buildLtx>[0]): Promise<string> =>
      (await damageOf(await buildLtx(options))).message;
    expect(await message({ pages, flags: 0, postApplyChecksum: databaseChecksum([pageOf(1)]) })).toContain(
      "its pages fail the checksum of the database",
    );
    expect(await message({ pages, flags: 0, postApplyChecksum: 5n })).toContain("it has no checksum of the database");
    expect(await message({ pages, postApplyChecksum: databaseChecksum(pages) })).toContain("says that it has none");
  });

  test("fails where a file from transaction 1 on lacks a page, and reads any other without", async () => {
    for (const [pgnos, missing] of [
      [[1, 2, 4], 3],
      [[2, 3, 4], 1],
      [[1, 2, 3], 4],
      [[], 1],
    ] as const) {
      const pages = pgnos.map((pgno) => pageOf(pgno));
      const error = await damageOf(await buildLtx({ pages, commit: 4, maxTxid: 8n }));
      expect(error.message).toContain(`page ${missing} is missing`);
      expect((await readLtx(await buildLtx({ pages, commit: 4, minTxid: 2n, maxTxid: 8n }))).pages).toHaveLength(
        pgnos.length,
      );
    }
  });

  test("fails on pages out of order, twice, behind the end, or the lock page", async () => {
    const message = async (pgnos: number[], commit: number): Promise<string> =>
      (await damageOf(await buildLtx({ pages: pgnos.map((pgno) => pageOf(pgno)), commit, minTxid: 2n }))).message;
    expect(await message([3, 2], 4)).toContain("page 2 comes after page 3");
    expect(await message([3, 3], 4)).toContain("page 3 comes after page 3");
    expect(await message([3, 5], 4)).toContain("page 5 lies behind the end of the database, page 4");
    expect(await message([1 + 2 ** 30 / 512], 2 ** 30)).toContain("is the lock page");
  });

  test("expects no lock page in a file of the whole database", async () => {
    const pageSize = 65_536;
    const data = new Uint8Array(pageSize);
    const pages = Array.from({ length: 2 ** 14 + 1 }, (_, i) => ({ pgno: i < 2 ** 14 ? i + 1 : i + 2, data }));
    await using decoder = await LtxDecoder.open(inChunks(await buildLtx({ pages, pageSize })), { path });
    let last = 0;
    for (let page = await decoder.nextPage(); page !== undefined; page = await decoder.nextPage()) last = page.pgno;
    expect(last).toBe(2 ** 14 + 2);
    expect(decoder.trailer).toBeDefined();
  });

  test("fails on an index that is not the one of its pages, whatever its checksum says", async () => {
    const pages = [pageOf(2), pageOf(7)];
    const message = async (options: Partial<Parameters<typeof buildLtx>[0]>): Promise<string> =>
      (await damageOf(await buildLtx({ pages, minTxid: 2n, ...options }))).message;
    const wrong = "its page index is not the one of its pages";
    for (const at of [0, 1, 3]) {
      const changeIndex = (index: Buffer): Buffer => {
        index[at] = (index[at] ?? 0) ^ 1;
        return index;
      };
      expect(await message({ changeIndex })).toContain(wrong);
    }
    expect(await message({ indexSizeBytes: 3n })).toContain(wrong);
    expect(await message({ changeIndex: () => Buffer.from([0]) })).toMatch(/page index|ends inside/);
    expect(await message({ changeIndex: (index) => Buffer.concat([index, index]) })).toContain(wrong);
  });

  test("fails on sizes and flags that no page has, without room for them", async () => {
    const pages = [pageOf(1)];
    const whole = await buildLtx({ pages });
    for (const size of [0, 512 + 2 + 17, 0xffff_ffff]) {
      const changed = Buffer.from(whole);
      changed.writeUInt32BE(size, 106);
      expect((await damageOf(changed)).message).toContain(`cannot be stored in ${size}`);
    }
    const flagged = Buffer.from(whole);
    flagged.writeUInt16BE(2, 104);
    expect((await damageOf(flagged)).message).toContain("at byte 100: the flags of page 1 are not known: 2");
    const numberless = Buffer.from(whole);
    numberless.writeUInt32BE(0, 100);
    expect((await damageOf(numberless)).message).toContain("page 0 comes after page 0");
  });

  test("fails on a block or a frame that gives more or less than a page", async () => {
    for (const data of [new Uint8Array(511), new Uint8Array(513), new Uint8Array(40_000)]) {
      for (const flags of [0, 1]) {
        const error = await damageOf(await buildLtx({ pages: [{ pgno: 1, data, flags }] }));
        expect(error.message).toMatch(/another size|decompressed|bytes, and not 512/);
      }
    }
    for (const stored of ["", "04224d1864", "04224d186440a7ffffff7f", "532a4d1803000000abcdef"]) {
      const page = { pgno: 1, data: new Uint8Array(512), flags: 0, stored: Buffer.from(stored, "hex") };
      await damageOf(await buildLtx({ pages: [page] }));
    }
  });

  test("fails on a file whose name says other transactions", async () => {
    const bytes = await buildLtx({ pages: [pageOf(1)], minTxid: 3n, maxTxid: 5n });
    const expected = { minTxid: txid(3n), maxTxid: txid(5n) };
    await readLtx(bytes, { expected });
    for (const other of [{ minTxid: txid(2n) }, { maxTxid: txid(6n) }]) {
      const error = await damageOf(bytes, { expected: { ...expected, ...other } });
      expect(error.message).toContain("and its header 0000000000000003-0000000000000005");
    }
  });

  test("names what is wrong, and where", async () => {
    const pages = [pageOf(1), pageOf(2)];
    const whole = await buildLtx({ pages });
    const message = async (bytes: Uint8Array): Promise<string> => (await damageOf(bytes)).message;
    expect(await message(new Uint8Array(0))).toContain("it is empty");
    expect(await message(whole.subarray(0, 50))).toContain("50 bytes, shorter than its header");
    expect(await message(whole.subarray(0, 103))).toContain("at byte 103: it ends inside the header of a page");
    expect(await message(whole.subarray(0, 108))).toContain("at byte 108: it ends inside the size of a page");
    expect(await message(whole.subarray(0, 120))).toContain("at byte 120: it ends inside a page");
    expect(await message(whole.subarray(0, -1))).toContain("it ends inside its trailer");
    expect(await message(whole.subarray(0, -16))).toContain("it ends inside its trailer");
    expect(await message(whole.subarray(0, -17))).toContain("it ends inside the size of its page index");
    expect(await message(whole.subarray(0, -25))).toContain("it ends inside its page index");
    const end = whole.byteLength;
    expect(await message(Buffer.concat([whole, Buffer.from("x")]))).toContain(`at byte ${end}: something follows`);
    const salted = Buffer.from(whole);
    salted.writeUInt32BE(12, 12);
    expect(await message(salted)).toContain("page 3 is missing, and all after it to page 12");
    const later = Buffer.from(whole);
    later.writeUInt8(1, 39);
    expect(await message(later)).toContain(`at byte ${end - 16}: it fails its checksum (`);
    expect((await readLtx(resealed(later, pages))).header.createdAt).not.toEqual(
      (await readLtx(whole)).header.createdAt,
    );
  });

  test("closes its source when it is disposed early, and when the header is damaged", async () => {
    let closed = 0;
    async function* source(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      try {
        yield* inChunks(bytes, 50);
      } finally {
        closed++;
      }
    }
    {
      await using decoder = await LtxDecoder.open(source(await buildLtx({ pages: [pageOf(1)] })), { path });
      await decoder.nextPage();
    }
    expect(closed).toBe(1);
    await failureOf(() => LtxDecoder.open(source(new Uint8Array(200)), { path }));
    expect(closed).toBe(2);
  });

  test("passes on an error of its source unchanged, and reads no further", async () => {
    const cause = new LitestreamError("REPLICA_UNAVAILABLE", "gone");
    const bytes = await buildLtx({ pages: [pageOf(1)] });
    async function* source(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(bytes.subarray(0, 110));
      throw cause;
    }
    await using decoder = await LtxDecoder.open(source(), { path });
    expect(await failureOf(() => decoder.nextPage())).toBe(cause);
    expect(String(await failureOf(() => decoder.nextPage()))).toContain("invariant broken");
  });
});

function smallest(name: (typeof fixtureNames)[number]): Buffer {
  const files = listFixture(name).map((info) => readFixture(name, info.path));
  const [file] = files.toSorted((a, b) => a.byteLength - b.byteLength);
  if (file === undefined) throw new Error(`${name} is empty`);
  return file;
}

/** One of the ways in which files go bad. */
function damaged(bytes: Buffer, random: SeededRandom): Buffer {
  const at = random.below(bytes.byteLength);
  const size = 1 + random.below(Math.min(300, bytes.byteLength - at));
  const [before, piece, after] = [bytes.subarray(0, at), bytes.subarray(at, at + size), bytes.subarray(at + size)];
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([before, piece.map((byte, i) => (i === 0 ? byte ^ (1 << random.below(8)) : byte)), after]);
    case 1:
      return Buffer.concat([before, piece.map(() => random.below(256)), after]);
    case 2:
      return Buffer.concat([before, piece.map(() => 0), after]);
    case 3:
      return Buffer.concat([before, after]);
    case 4:
      return Buffer.concat([before, piece, piece, after]);
    default:
      return Buffer.concat([before, after, piece]);
  }
}
