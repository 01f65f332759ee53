import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { describeWal } from "../../src/wal/builder.ts";
import { buildWalIndexHeader, walIndexHeaderBytes } from "../../src/wal/wal-index.ts";
import { spawnWriter } from "../../src/workload/writer.ts";
import { parseRealWal } from "../states.ts";

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
    pageSize,
    bigEndianChecksum: wal.bigEndianChecksum,
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
