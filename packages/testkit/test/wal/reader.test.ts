import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { damageFile } from "../../src/damage/damage-file.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { SeededRandom } from "../../src/seeded-random.ts";
import { buildWal, describeWal, type WalOptions, type WalPage } from "../../src/wal/builder.ts";
import { readWalSummary, walCommits, WalReader } from "../../src/wal/reader.ts";
import { makeStates, transactionBetween } from "../states.ts";

const salts = { salt1: 0xfedcba98, salt2: 0x89abcdef };
const base: WalOptions = {
  pageSize: 512,
  ...salts,
  checkpointSequence: 7,
  transactions: [
    { pages: [{ pgno: 1 }, { pgno: 2 }], commitPageCount: 2 },
    { pages: [{ pgno: 2 }, { pgno: 3 }, { pgno: 1 }], commitPageCount: 3 },
  ],
};

test.each<[string, Partial<WalOptions>, string, number, number]>([
  ["a whole WAL", {}, "end", 5, 0],
  ["a WAL without frames", { transactions: [] }, "end", 0, 0],
  ["frames that no commit follows", { uncommitted: [{ pgno: 9 }] }, "end", 6, 0],
  ["frames that were never published", { unpublished: [{ pages: [{ pgno: 9 }], commitPageCount: 9 }] }, "end", 6, 0],
  ["a torn last frame", { cutBytes: 1 }, "short", 4, 0],
  ["a torn frame header", { cutBytes: 535 }, "short", 4, 0],
  ["older frames behind the end", { staleFrames: 3 }, "salt", 5, 3],
  ["a wrong salt", { wrongSaltAtFrame: 4 }, "salt", 3, 2],
  ["a wrong checksum", { wrongChecksumAtFrame: 3 }, "checksum", 2, 3],
  ["a wrong checksum in the first frame", { wrongChecksumAtFrame: 1 }, "checksum", 0, 5],
  ["a frame of page 0", { uncommitted: [{ pgno: 0 }, { pgno: 1 }] }, "pgno", 5, 2],
])("WalReader reads %s as it was built", async (_, change, reason, frames, staleFrames) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  for (const bigEndianChecksum of [false, true]) {
    for (const pageSize of [512, 4096, 65536]) {
      const cutBytes = change.cutBytes === 535 ? pageSize + 23 : (change.cutBytes ?? 0);
      const built = describeWal({ ...base, ...change, pageSize, bigEndianChecksum, cutBytes });
      writeFileSync(path, built.bytes);
      using reader = new WalReader(path);
      expect(reader.end).toBeUndefined();
      const read = Array.from(reader, ({ page, ...frame }) => {
        const at = frame.offset + 24;
        expect(page.toHex()).toBe(built.bytes.subarray(at, at + pageSize).toHex());
        return frame;
      });
      expect(read).toEqual(built.frames.slice(0, frames));
      expect(built.soundFrames).toBe(frames);
      const offset = 32 + frames * (24 + pageSize);
      expect(reader.end).toMatchObject({ reason, offset });
      expect(reader.next()).toBeUndefined();

      const { mxFrame, committedBytes, pageCount, frameChecksum } = describeWal({
        ...base,
        ...change,
        transactions: [...(change.transactions ?? base.transactions), ...(change.unpublished ?? [])],
        unpublished: [],
        pageSize,
        bigEndianChecksum,
        cutBytes,
      });
      expect(readWalSummary(path)).toMatchObject({
        ...salts,
        pageSize,
        bigEndianChecksum,
        checkpointSequence: 7,
        sizeBytes: built.bytes.length,
        frames,
        mxFrame,
        committedBytes,
        pageCount,
        frameChecksum,
        staleFrames,
        end: { reason, offset },
      });
    }
  }
});

test.each<[string, Partial<WalOptions>, string, number]>([
  ["another magic number", { header: { magic: 0x377f0684 } }, "the magic number is 377f0684", 0],
  ["another format version", { header: { formatVersion: 3007001 } }, "the format version is 3007001", 4],
  ["a page size that is none", { header: { pageSize: 1000 } }, "the page size is 1000", 8],
  ["a wrong header checksum", { wrongHeaderChecksum: true }, "the header's checksum is", 24],
  ["nothing at all", { cutBytes: 32 + 5 * 536 }, "the file is empty", 0],
  ["half a header", { cutBytes: 16 + 5 * 536 }, "the file ends 16 bytes into the header", 0],
])("WalReader finds no frames behind %s, and says so", async (_, change, detail, offset) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  writeFileSync(path, buildWal({ ...base, ...change }));
  using reader = new WalReader(path);
  expect(reader.header).toBeUndefined();
  expect(reader.next()).toBeUndefined();
  expect(reader.end?.offset).toBe(offset);
  expect(reader.end?.detail).toContain(detail);
  expect(() => readWalSummary(path)).toThrow(`${path} is not a WAL at offset ${offset}: ${detail}`);
  expect(() => [...walCommits(path)]).toThrow(`${path} is not a WAL at offset ${offset}: ${detail}`);
});

test("WalReader reads as many frames as a file holds, wherever it is cut", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  writeFileSync(path, buildWal(base));
  for (let size = 32 + 5 * 536; size >= 32; size--) {
    truncateSync(path, size);
    const summary = readWalSummary(path);
    const frames = Math.floor((size - 32) / 536);
    expect(summary).toMatchObject({
      frames,
      mxFrame: frames === 5 ? 5 : frames >= 2 ? 2 : 0,
      end: { reason: (size - 32) % 536 === 0 ? "end" : "short", offset: 32 + frames * 536 },
    });
  }
});

describe.each([512, 65536])("WalReader goes on from one megabyte to the next, %d-byte pages,", (pageSize) => {
  const framesInChunk = Math.floor(2 ** 20 / (24 + pageSize));

  test.each([-1, 0, 1, framesInChunk])("%d frames past the second", async (more) => {
    await using folder = await tempFolder();
    const path = folder.join("app.db-wal");
    const count = 2 * framesInChunk + more;
    const data = new Uint8Array(pageSize).fill(0xa5);
    const pages = Array.from({ length: count }, (__, i): WalPage => ({ pgno: i + 1, data }));
    const transactions = pages.map((page) => ({ pages: [page], commitPageCount: count }));
    const wal = describeWal({ pageSize, ...salts, transactions });
    writeFileSync(path, wal.bytes);
    expect(readWalSummary(path)).toMatchObject({
      frames: count,
      mxFrame: count,
      frameChecksum: wal.frameChecksum,
      end: { reason: "end" },
    });
    expect([...walCommits(path)].map((commit) => commit.frame)).toEqual(wal.frames.map((frame) => frame.frame));
    writeFileSync(path, buildWal({ pageSize, ...salts, transactions, wrongChecksumAtFrame: count }));
    expect(readWalSummary(path)).toMatchObject({ frames: count - 1, staleFrames: 1, end: { reason: "checksum" } });
  });
});

test("walCommits gives the end of each commit frame, and the size of the database", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db-wal");
  writeFileSync(path, buildWal({ ...base, uncommitted: [{ pgno: 4 }] }));
  expect([...walCommits(path)]).toEqual([
    { frame: 2, offset: 32 + 2 * 536, pageCount: 2 },
    { frame: 5, offset: 32 + 5 * 536, pageCount: 3 },
  ]);
});

test("readWalSummary finds the last commit that SQLite finds, whatever bit is flipped", async () => {
  await using folder = await tempFolder();
  const { files } = makeStates(folder, 512, [
    "CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); INSERT INTO t(x) VALUES (randomblob(3000)), ('a')",
    "INSERT INTO t(x) VALUES (randomblob(900))",
    "UPDATE t SET x = 'b' WHERE id = 2",
    "DELETE FROM t WHERE id = 1; VACUUM",
  ]);
  const [first] = files;
  if (first === undefined) throw new Error("four states are made");
  const transactions = files.slice(1).map((file, i) => transactionBetween(files[i] ?? first, file, 512));
  const path = folder.join("app.db");
  const seeds = new SeededRandom(Date.now());
  for (let run = 0; run < 30; run++) {
    const seed = seeds.uint32();
    const bigEndianChecksum = run % 2 === 0;
    writeFileSync(path, first);
    writeFileSync(`${path}-wal`, buildWal({ pageSize: 512, ...salts, bigEndianChecksum, transactions }));
    // Beyond the header, which would not be a WAL's any more.
    const { sizeBytes } = readWalSummary(`${path}-wal`);
    damageFile(`${path}-wal`, "flip", { seed, offset: 32 + (seed % (sizeBytes - 32)) });
    const { mxFrame } = readWalSummary(`${path}-wal`);
    using database = new Database(path, { readwrite: true });
    const checkpoint = database.query<{ log: number }, []>("PRAGMA wal_checkpoint(PASSIVE)").get();
    if (checkpoint?.log !== mxFrame) console.error(`seed ${seed}`);
    expect(checkpoint?.log).toBe(mxFrame);
  }
});
