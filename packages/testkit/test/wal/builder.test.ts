import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { integrityCheck, rowsDigest } from "../../src/database/digest.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { buildWal, describeWal, type WalOptions, type WalTransaction } from "../../src/wal/builder.ts";
import { spawnWriter } from "../../src/workload/writer.ts";
import { makeStates, parseRealWal, transactionBetween } from "../states.ts";

const steps = [
  "CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); INSERT INTO t(x) VALUES (randomblob(70000)), ('a')",
  "INSERT INTO t(x) VALUES (randomblob(3000)), ('b'); UPDATE t SET x = 'c' WHERE id = 2",
  "DELETE FROM t WHERE id = 1; INSERT INTO t(x) VALUES ('d'); VACUUM",
];

const salts = { salt1: 0xfedcba98, salt2: 0x89abcdef };

/** Where SQLite's own recovery ends: in which of the states, and after how many frames. */
type Recovered = { readonly state: number; readonly mxFrame: number };

/** A judge that lets SQLite recover a WAL beside the first of three states. */
async function judge<Result>(
  pageSize: number,
  work: (transactions: [WalTransaction, WalTransaction], recover: (options: WalOptions) => Recovered) => Result,
): Promise<Result> {
  await using folder = await tempFolder();
  const [base, middle, end] = makeStates(folder, pageSize, steps).files;
  if (base === undefined || middle === undefined || end === undefined) throw new Error("three states are made");
  const digests = [base, middle, end].map((file, i) => {
    const path = folder.join(`state-${i}.db`);
    writeFileSync(path, file);
    return rowsDigest(path);
  });
  const recover = (options: WalOptions): Recovered => {
    const path = folder.join("recovered.db");
    writeFileSync(path, base);
    writeFileSync(`${path}-wal`, buildWal(options));
    expect(integrityCheck(path)).toBe("ok");
    const state = digests.indexOf(rowsDigest(path));
    using database = new Database(path, { readwrite: true });
    const checkpoint = database.query<{ log: number }, []>("PRAGMA wal_checkpoint(PASSIVE)").get();
    return { state, mxFrame: checkpoint?.log ?? -1 };
  };
  return work([transactionBetween(base, middle, pageSize), transactionBetween(middle, end, pageSize)], recover);
}

describe.each([512, 4096, 65536])("a WAL of %d-byte pages", (pageSize) => {
  test.each([true, false])(
    "is recovered by SQLite to its last commit, bigEndianChecksum %p",
    async (bigEndianChecksum) => {
      await judge(pageSize, (transactions, recover) => {
        const wal: WalOptions = { pageSize, bigEndianChecksum, ...salts, transactions };
        expect(recover(wal)).toEqual({ state: 2, mxFrame: describeWal(wal).frames.length });
        expect(describeWal(wal).mxFrame).toBe(describeWal(wal).frames.length);
      });
    },
  );

  test("is, built from the parts of one by SQLite, the same bytes", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const options = { path, seed: pageSize, pageSize, transactions: 10, autocheckpointPages: 0 };
    await using writer = await spawnWriter({ ...options, whenDone: "hold" });
    await writer.waitUntilDone();
    const real = readFileSync(`${path}-wal`);
    const parsed = parseRealWal(real);
    expect(parsed.transactions.length).toBeGreaterThanOrEqual(10);
    expect(real.equals(buildWal(parsed))).toBe(true);
  });
});

describe.each([false, true])(
  "describeWal says where SQLite's recovery ends, bigEndianChecksum %p,",
  (bigEndianChecksum) => {
    const pageSize = 1024;

    test.each<[string, number, (first: WalTransaction, second: WalTransaction) => Partial<WalOptions>]>([
      ["an uncommitted transaction", 1, (first, { pages }) => ({ transactions: [first], uncommitted: pages })],
      ["an unpublished transaction", 2, (first, second) => ({ transactions: [first], unpublished: [second] })],
      [
        "an unpublished transaction behind one that is torn",
        0,
        (first, second) => ({ transactions: [first], unpublished: [second], wrongChecksumAtFrame: first.pages.length }),
      ],
      [
        "an uncommitted transaction behind an unpublished one",
        1,
        (first, { pages }) => ({ transactions: [], unpublished: [first], uncommitted: pages }),
      ],
      [
        "a frame of page 0",
        1,
        (first, second) => ({
          transactions: [first, { ...second, pages: [{ pgno: 0 }, ...second.pages] }],
        }),
      ],
      ["a torn last frame", 1, () => ({ cutBytes: 1 })],
      ["a torn last frame header", 1, () => ({ cutBytes: pageSize + 23 })],
      ["a missing last frame", 1, () => ({ cutBytes: pageSize + 24 })],
      ["a wrong checksum in the second transaction", 1, ({ pages }) => ({ wrongChecksumAtFrame: pages.length + 1 })],
      ["a wrong salt in the second transaction", 1, ({ pages }) => ({ wrongSaltAtFrame: pages.length + 1 })],
      ["a wrong checksum in the first frame", 0, () => ({ wrongChecksumAtFrame: 1 })],
      ["a wrong salt in the first frame", 0, () => ({ wrongSaltAtFrame: 1 })],
      ["a wrong header checksum", 0, () => ({ wrongHeaderChecksum: true })],
      ["another magic number", 0, () => ({ header: { magic: 0x377f0684 } })],
      ["a page size that is none", 0, () => ({ header: { pageSize: 1000 } })],
      ["no transactions", 0, () => ({ transactions: [] })],
      ["stale frames behind the end", 2, () => ({ staleFrames: 3 })],
      [
        "stale frames behind an uncommitted end",
        1,
        (first, { pages }) => ({
          transactions: [first],
          uncommitted: pages,
          staleFrames: 3,
        }),
      ],
      [
        "the frames of a WAL before the restart",
        1,
        (first, second) => ({
          transactions: [first],
          previous: { salt1: salts.salt1 - 1, salt2: 7, transactions: [first, second] },
        }),
      ],
      [
        "the frames of two WALs before",
        1,
        (first, second) => ({
          transactions: [first],
          previous: {
            salt1: salts.salt1 - 1,
            salt2: 7,
            transactions: [first],
            previous: { salt1: salts.salt1 - 2, salt2: 8, transactions: [first, second], bigEndianChecksum: true },
          },
        }),
      ],
    ])("%s", async (_, state, change) => {
      await judge(pageSize, (transactions, recover) => {
        const wal: WalOptions = { pageSize, bigEndianChecksum, ...salts, transactions, ...change(...transactions) };
        expect(recover(wal)).toEqual({ state, mxFrame: describeWal(wal).recoverableFrames });
      });
    });
  },
);

test("describeWal ends at the last published commit, and says how far recovery would go", () => {
  const commit = { pages: [{ pgno: 1 }, { pgno: 2 }], commitPageCount: 2 };
  const wal = { pageSize: 512, ...salts, transactions: [commit] };
  const published = describeWal(wal);
  const built = describeWal({
    ...wal,
    unpublished: [commit, { ...commit, commitPageCount: 9 }],
    uncommitted: [{ pgno: 7 }],
  });
  expect(built).toMatchObject({ mxFrame: 2, recoverableFrames: 6, soundFrames: 7, pageCount: 2, pgnos: [1, 2] });
  expect(built.frames.map((frame) => frame.commitPageCount)).toEqual([0, 2, 0, 2, 0, 9, 0]);
  expect(built.committedBytes).toBe(published.bytes.length);
  expect(built.frameChecksum).toEqual(published.frameChecksum);
  expect(built.bytes.subarray(0, published.bytes.length)).toEqual(published.bytes);
});

test("describeWal lists each frame at its offset, and its committed end", () => {
  const wal = describeWal({
    pageSize: 512,
    ...salts,
    transactions: [
      { pages: [{ pgno: 3 }, { pgno: 4, data: 9 }], commitPageCount: 4 },
      { pages: [{ pgno: 3, data: new Uint8Array(512) }], commitPageCount: 5 },
    ],
    uncommitted: [{ pgno: 5 }],
  });
  expect(wal.frames.map(({ frame, offset, pgno, commitPageCount }) => [frame, offset, pgno, commitPageCount])).toEqual([
    [1, 32, 3, 0],
    [2, 568, 4, 4],
    [3, 1104, 3, 5],
    [4, 1640, 5, 0],
  ]);
  expect(wal.bytes.length).toBe(32 + 4 * 536);
  expect(wal).toMatchObject({ mxFrame: 3, committedBytes: 1640, pageCount: 5 });
  expect(wal.frameChecksum).toEqual(wal.frames[2]?.checksum ?? [0, 0]);
  expect(wal.salts.toHex()).toBe("fedcba9889abcdef");
});

test("buildWal gives the same bytes for the same options, and other bytes for another seed", () => {
  const wal = (seed: number): Uint8Array =>
    buildWal({ pageSize: 512, ...salts, transactions: [{ pages: [{ pgno: 1, data: seed }], commitPageCount: 1 }] });
  expect(wal(1)).toEqual(wal(1));
  expect(wal(2)).not.toEqual(wal(1));
});

test("buildWal leaves stale frames where the longer WAL before had them", () => {
  const wal = { pageSize: 512, ...salts, transactions: [{ pages: [{ pgno: 1 }], commitPageCount: 1 }] };
  const bytes = buildWal({ ...wal, staleFrames: 2 });
  expect(bytes.length).toBe(32 + 3 * 536);
  expect(bytes.subarray(0, 32 + 536)).toEqual(buildWal(wal));
  expect(new DataView(bytes.buffer).getUint32(32 + 536 + 8)).toBe(salts.salt1 - 1);
});

test.each<[string, Partial<WalOptions>, string]>([
  ["a page size that is none", { pageSize: 1000 }, "a power of two from 512 to 65536, not 1000"],
  ["a page of another size", { uncommitted: [{ pgno: 7, data: new Uint8Array(8) }] }, "page 7 has 8 bytes"],
  ["a transaction without pages", { transactions: [{ pages: [], commitPageCount: 1 }] }, "at least one page"],
  ["damage to a frame that is not there", { wrongSaltAtFrame: 2 }, "frame 2 cannot be damaged"],
  ["a cut of more than there is", { cutBytes: 569 }, "569 bytes cannot be cut off 568"],
])("buildWal refuses %s", (_, change, message) => {
  const wal: WalOptions = { pageSize: 512, ...salts, transactions: [{ pages: [{ pgno: 1 }], commitPageCount: 1 }] };
  expect(() => buildWal({ ...wal, ...change })).toThrow(message);
});
