import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { integrityCheck, rowsDigest } from "../../src/database/digest.ts";
import { type TempFolder, tempFolder } from "../../src/database/temp-folder.ts";
import { buildWal, describeWal, type WalOptions } from "../../src/wal/builder.ts";
import { readWalSummary } from "../../src/wal/reader.ts";
import { rewriteWal } from "../../src/wal/rewrite.ts";
import { spawnWriter } from "../../src/workload/writer.ts";

const base: WalOptions = {
  pageSize: 1024,
  salt1: 0xfedcba98,
  salt2: 0x89abcdef,
  checkpointSequence: 3,
  transactions: [
    { pages: [{ pgno: 1 }, { pgno: 2 }], commitPageCount: 2 },
    { pages: [{ pgno: 2 }, { pgno: 3 }], commitPageCount: 3 },
  ],
};

/** A database of a killed writer's, with all of its transactions in the WAL. */
async function writeDatabase(folder: TempFolder, name: string, pageSize: number): Promise<string> {
  const path = folder.join(name);
  const options = { path, seed: 11, pageSize, transactions: 15, autocheckpointPages: 0 };
  await using writer = await spawnWriter({ ...options, whenDone: "hold" });
  await writer.waitUntilDone();
  await writer.kill();
  return path;
}

test.each([512, 4096, 65536])("SQLite recovers a rewritten WAL to the same rows, %d-byte pages", async (pageSize) => {
  await using folder = await tempFolder();
  const path = await writeDatabase(folder, "app.db", pageSize);
  const before = readWalSummary(`${path}-wal`);
  const recover = (change: (walPath: string) => void): { digest: string; log: number | undefined } => {
    const copy = folder.join("copy.db");
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    change(`${copy}-wal`);
    expect(integrityCheck(copy)).toBe("ok");
    const digest = rowsDigest(copy);
    using database = new Database(copy, { readwrite: true });
    return { digest, log: database.query<{ log: number }, []>("PRAGMA wal_checkpoint(PASSIVE)").get()?.log };
  };
  const expected = recover(() => {});
  expect(expected.log).toBe(before.mxFrame);
  for (const bigEndianChecksum of [true, false]) {
    const found = recover((walPath) => {
      const summary = rewriteWal(walPath, { salt1: 1, salt2: 0xffffffff, bigEndianChecksum, checkpointSequence: 9 });
      expect(summary).toEqual(readWalSummary(walPath));
      expect(summary).toMatchObject({
        salt1: 1,
        salt2: 0xffffffff,
        bigEndianChecksum,
        checkpointSequence: 9,
        frames: before.frames,
        mxFrame: before.mxFrame,
        sizeBytes: before.sizeBytes,
      });
    });
    expect(found).toEqual(expected);
  }
});

test("rewriteWal makes the WALs of two runs of the same transactions the same bytes", async () => {
  await using folder = await tempFolder();
  const [a = "", b = ""] = [await writeDatabase(folder, "a.db", 4096), await writeDatabase(folder, "b.db", 4096)].map(
    (path) => `${path}-wal`,
  );
  expect(readFileSync(a).equals(readFileSync(b))).toBe(false);
  for (const path of [a, b]) rewriteWal(path, { salt1: 7, salt2: 8, bigEndianChecksum: false });
  expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
});

test.each<[string, Partial<WalOptions>]>([
  ["a whole WAL", {}],
  ["a WAL without frames", { transactions: [] }],
  ["frames that no commit follows", { uncommitted: [{ pgno: 5 }] }],
])("rewriteWal makes of %s the one that would have been built with those salts", async (_, change) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  for (const [from, to] of [
    [false, true],
    [true, false],
    [true, true],
  ] as const) {
    writeFileSync(path, buildWal({ ...base, ...change, bigEndianChecksum: from }));
    const built = buildWal({ ...base, ...change, salt1: 5, salt2: 0, bigEndianChecksum: to, checkpointSequence: 3 });
    rewriteWal(path, { salt1: 5, salt2: 0, ...(from === to ? {} : { bigEndianChecksum: to }) });
    expect(readFileSync(path).toHex()).toBe(built.toHex());
  }
});

test.each<[string, Partial<WalOptions>, number]>([
  ["frames of an older WAL", { staleFrames: 3 }, 4],
  ["a torn frame", { cutBytes: 5 }, 3],
  ["what comes from a wrong checksum on", { wrongChecksumAtFrame: 2 }, 1],
  ["what comes from a wrong salt on", { wrongSaltAtFrame: 3 }, 2],
])("rewriteWal leaves %s as it is", async (_, change, frames) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  const before = describeWal({ ...base, ...change });
  writeFileSync(path, before.bytes);
  const { end } = readWalSummary(path);
  const summary = rewriteWal(path, { salt1: 5, salt2: 6 });
  expect(summary).toMatchObject({ frames, mxFrame: before.mxFrame, sizeBytes: before.bytes.length });
  expect(readFileSync(path).subarray(end.offset).toHex()).toBe(before.bytes.subarray(end.offset).toHex());
});

test("rewriteWal goes on from one megabyte to the next", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  const data = new Uint8Array(4096).fill(3);
  const pages = Array.from({ length: 700 }, (_, i) => ({ pgno: i + 1, data }));
  const options = { ...base, pageSize: 4096, transactions: [{ pages, commitPageCount: 700 }] };
  writeFileSync(path, buildWal(options));
  rewriteWal(path, { salt1: 1, salt2: 2, bigEndianChecksum: true });
  const built = buildWal({ ...options, salt1: 1, salt2: 2, bigEndianChecksum: true });
  expect(readFileSync(path).equals(built)).toBe(true);
});

test("rewriteWal refuses salts that let the frames behind the end be read as its own", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  const given = { salt1: 5, salt2: 6 };
  const { transactions } = base;
  const previous = { ...base, ...given };
  writeFileSync(path, buildWal({ ...base, transactions: transactions.slice(0, 1), previous }));
  expect(readWalSummary(path).frames).toBe(2);
  expect(() => rewriteWal(path, given)).toThrow(
    `${path} has 4 frames under its new salts, not 2: what lies behind offset ${32 + 2 * 1048} has the same`,
  );
});

test.each<[string, Uint8Array, string]>([
  ["an empty file", new Uint8Array(), "at offset 0: the file is empty"],
  ["half a header", new Uint8Array(16), "at offset 0: the file ends 16 bytes into the header"],
  ["another file", new Uint8Array(5000).fill(1), "at offset 0: the magic number is 01010101"],
  ["a damaged header", buildWal({ ...base, wrongHeaderChecksum: true }), "at offset 24: the header's checksum is"],
])("rewriteWal refuses %s and leaves it as it is", async (_, bytes, problem) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  writeFileSync(path, bytes);
  expect(() => rewriteWal(path, { salt1: 1, salt2: 2 })).toThrow(`${path} is not a WAL ${problem}`);
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test.each([-1, 2 ** 32, 0.5])("rewriteWal refuses %p as a salt", async (salt2) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  writeFileSync(path, buildWal(base));
  expect(() => rewriteWal(path, { salt1: 1, salt2 })).toThrow(`from 0 to 4294967295, not ${salt2}`);
  expect(readFileSync(path).equals(buildWal(base))).toBe(true);
});
