import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { endianness } from "node:os";
import { openForReading, rowsDigest, rowsDigestOf } from "../../src/database/digest.ts";
import { type TempFolder, tempFolder } from "../../src/database/temp-folder.ts";
import { SeededRandom } from "../../src/seeded-random.ts";
import { type BuiltWal, describeWal, type WalOptions, type WalPage } from "../../src/wal/builder.ts";
import { writeAll } from "../../src/wal/file-bytes.ts";
import {
  buildWalIndex,
  buildWalIndexHeader,
  walIndexBlockBytes,
  walIndexHeaderBytes,
} from "../../src/wal/wal-index.ts";
import { spawnWriter } from "../../src/workload/writer.ts";
import { makeStates, parseRealWal, transactionBetween } from "../states.ts";

test.each([512, 4096, 65536])("buildWalIndexHeader gives what SQLite wrote, %d-byte pages", async (pageSize) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  const options = { path, seed: 3, pageSize, transactions: 20, autocheckpointPages: 0 };
  await using writer = await spawnWriter({ ...options, whenDone: "hold" });
  await writer.waitUntilDone();

  const real = readFileSync(`${path}-shm`).subarray(0, walIndexHeaderBytes);
  const wal = parseRealWal(readFileSync(`${path}-wal`));
  const uint32 = (offset: number): number =>
    endianness() === "LE" ? real.readUInt32LE(offset) : real.readUInt32BE(offset);
  const built = buildWalIndexHeader({
    ...describeWal(wal),
    changeCount: uint32(8),
    readMarks: [0, 1, 2, 3, 4].map((i) => uint32(100 + 4 * i)),
  });
  expect(built.toHex()).toBe(real.toString("hex"));
});

test("buildWalIndexHeader puts the checkpoint's progress and the read marks behind both copies", () => {
  const header = buildWalIndexHeader({
    pageSize: 512,
    mxFrame: 9,
    pageCount: 4,
    frameChecksum: [1, 2],
    salts: new Uint8Array(8),
    nBackfill: 5,
    nBackfillAttempted: 6,
    readMarks: [0, 9],
  });
  expect(header.subarray(48, 96)).toEqual(header.subarray(0, 48));
  const words = new Uint32Array(header.buffer);
  expect([...words.subarray(24, 30)]).toEqual([5, 0, 9, 0xffffffff, 0xffffffff, 0xffffffff]);
  expect(words[32]).toBe(6);
});

const salts = { salt1: 0x01020304, salt2: 0xfffefdfc };

/** The wal-index that SQLite's recovery makes of the WAL. */
function recover(folder: TempFolder, database: Buffer, wal: BuiltWal): Buffer {
  const path = folder.join("recovered.db");
  writeFileSync(path, database);
  writeFileSync(`${path}-wal`, wal.bytes);
  {
    // A connection that may only read recovers too, but leaves both files as they are when it closes.
    using connection = openForReading(path);
    expect(connection.query("SELECT count(*) FROM sqlite_schema").values()).toEqual([[1]]);
  }
  return readFileSync(`${path}-shm`);
}

/** What recovery leaves where a working process would have left something else. */
function afterRecovery(wal: BuiltWal): Parameters<typeof buildWalIndex>[0] {
  const pgnos = wal.frames.slice(0, wal.soundFrames).map((frame) => frame.pgno);
  const { mxFrame } = wal;
  return { ...wal, pgnos, changeCount: 0, nBackfillAttempted: mxFrame, readMarks: [0, mxFrame] };
}

describe.each([512, 4096])("buildWalIndex gives, to the last byte, what recovery makes, %d-byte pages,", (pageSize) => {
  // Blocks of the wal-index end at the frames 4062 and 8158.
  test.each([1, 100, 4062, 4063, 8158, 8159, 9000])("of %d frames", async (frames) => {
    await using folder = await tempFolder();
    const [database] = makeStates(folder, pageSize, ["CREATE TABLE t(x)"]).files;
    if (database === undefined) throw new Error("the state is made");
    const random = new SeededRandom(frames, pageSize);
    const noise = new Uint8Array(pageSize).fill(1);
    // Some pages often, some once, and numbers far apart: collisions of every kind. Page 1 stays the database's.
    const pages = Array.from({ length: frames }, (): WalPage => {
      const pgno = 2 + random.below([50, 5000, 2 ** 30][random.below(3)] ?? 1);
      return { pgno, data: noise };
    });
    for (const bigEndianChecksum of [false, true]) {
      const wal = describeWal({
        pageSize,
        bigEndianChecksum,
        ...salts,
        transactions: [
          { pages: pages.slice(0, Math.ceil(frames / 2)), commitPageCount: 7 },
          ...(frames > 1 ? [{ pages: pages.slice(Math.ceil(frames / 2)), commitPageCount: 9 }] : []),
        ],
      });
      const built = buildWalIndex(afterRecovery(wal));
      expect(recover(folder, database, wal).equals(built)).toBe(true);
    }
  });

  test("of frames that no commit follows", async () => {
    await using folder = await tempFolder();
    const [database] = makeStates(folder, pageSize, ["CREATE TABLE t(x)"]).files;
    if (database === undefined) throw new Error("the state is made");
    const wal = describeWal({
      pageSize,
      ...salts,
      transactions: [{ pages: [{ pgno: 2 }], commitPageCount: 2 }],
      uncommitted: [{ pgno: 2 }, { pgno: 3 }],
      staleFrames: 5,
    });
    expect(recover(folder, database, wal).equals(buildWalIndex(afterRecovery(wal)))).toBe(true);
  });
});

test.each([512, 4096])("buildWalIndex gives what a writer left after many commits, %d-byte pages", async (pageSize) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  const options = { path, seed: 5, pageSize, transactions: 300, autocheckpointPages: 0 };
  await using writer = await spawnWriter({ ...options, whenDone: "hold" });
  await writer.waitUntilDone();
  const wal = describeWal(parseRealWal(readFileSync(`${path}-wal`)));
  const real = readFileSync(`${path}-shm`);
  const built = buildWalIndex(wal);
  expect(built.length).toBe(real.length);
  expect(real.subarray(walIndexHeaderBytes).equals(built.subarray(walIndexHeaderBytes))).toBe(true);
});

test.each([false, true])(
  "SQLite, reading by buildWalIndex, sees nothing unpublished, big-endian %p",
  async (bigEndian) => {
    await using folder = await tempFolder();
    const pageSize = 512;
    const { files } = makeStates(folder, pageSize, [
      "CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); INSERT INTO t(x) VALUES (randomblob(9000)), ('a')",
      "INSERT INTO t(x) VALUES (randomblob(5000)); UPDATE t SET x = 'b' WHERE id = 2",
      "DELETE FROM t WHERE id = 1",
    ]);
    const digests = files.map((file, i) => {
      writeFileSync(folder.join(`state-${i}.db`), file);
      return rowsDigest(folder.join(`state-${i}.db`));
    });
    const [base, middle, end] = files;
    if (base === undefined || middle === undefined || end === undefined) throw new Error("three states are made");
    const options: WalOptions = {
      pageSize,
      bigEndianChecksum: bigEndian,
      ...salts,
      transactions: [transactionBetween(base, middle, pageSize)],
      unpublished: [transactionBetween(middle, end, pageSize)],
    };
    const wal = describeWal(options);
    const path = folder.join("app.db");
    writeFileSync(path, base);
    writeFileSync(`${path}-wal`, wal.bytes);

    // SQLite believes a wal-index only while some process holds it.
    const script = `
    const { Database } = require("bun:sqlite");
    const database = new Database(process.argv[1], { readonly: true });
    const read = () => database.query("SELECT count(*) FROM t").get();
    // The listener keeps the process alive, and the connection with it.
    process.on("message", read);
    read();
    process.send("recovered");`;
    const recovered = Promise.withResolvers<void>();
    const holder = Bun.spawn([process.execPath, "-e", script, path], {
      stdio: ["ignore", "ignore", "inherit"],
      ipc: () => recovered.resolve(),
    });
    try {
      await Promise.race([recovered.promise, holder.exited.then(() => Promise.reject(new Error("the holder ended")))]);
      expect(digestThroughWal(path)).toBe(digests[2] ?? "");
      const built = buildWalIndex(wal);
      expect(statSync(`${path}-shm`).size).toBe(built.length);
      const fd = openSync(`${path}-shm`, "r+");
      writeAll(fd, built, 0);
      closeSync(fd);
      expect(digests.indexOf(digestThroughWal(path))).toBe(1);
    } finally {
      holder.kill("SIGKILL");
      await holder.exited;
    }
    expect(digestThroughWal(path)).toBe(digests[2] ?? "");
  },
);

function digestThroughWal(path: string): string {
  using connection = openForReading(path);
  return rowsDigestOf(connection);
}

test("buildWalIndex of a WAL without frames is one block of zeros behind its header", () => {
  const wal = describeWal({ pageSize: 512, ...salts, transactions: [] });
  const built = buildWalIndex(wal);
  expect(built.length).toBe(walIndexBlockBytes);
  expect(built.subarray(walIndexHeaderBytes).every((byte) => byte === 0)).toBe(true);
  expect(built.subarray(0, walIndexHeaderBytes)).toEqual(buildWalIndexHeader(wal));
});

test("buildWalIndex refuses fewer page numbers than frames", () => {
  const wal = describeWal({ pageSize: 512, ...salts, transactions: [{ pages: [{ pgno: 1 }], commitPageCount: 1 }] });
  expect(() => buildWalIndex({ ...wal, pgnos: [] })).toThrow("of 1 frames needs the page number of each, not of 0");
});
