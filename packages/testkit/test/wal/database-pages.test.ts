import { expect, test } from "bun:test";
import { closeSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { fileSha256 } from "../../src/damage/file-sha256.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { lockPageOffset, pagesDigest, pagesDigestAround } from "../../src/wal/database-pages.ts";
import { writeAll } from "../../src/wal/file-bytes.ts";
import { makeStates } from "../states.ts";

test.each([512, 4096, 65536])("pagesDigest is the file's SHA-256, %d-byte pages", async (pageSize) => {
  await using folder = await tempFolder();
  const { path } = makeStates(folder, pageSize, ["CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(3000000))"]);
  expect(pagesDigest(path)).toBe(fileSha256(path));
});

test.each([512, 65536])(
  "pagesDigestAround takes for zeros what the lock page holds, %d-byte pages",
  async (pageSize) => {
    await using folder = await tempFolder();
    const { path } = makeStates(folder, pageSize, ["CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(3000000))"]);
    const lockOffset = 2 ** 20;
    expect(pagesDigestAround(path, lockOffset)).not.toBe(fileSha256(path));
    const fd = openSync(path, "r+");
    writeAll(fd, new Uint8Array(pageSize), lockOffset);
    closeSync(fd);
    expect(pagesDigestAround(path, lockOffset)).toBe(fileSha256(path));
    expect(lockPageOffset).toBe(0x40000000);
  },
);

test("pagesDigest of an empty file is that of no bytes", async () => {
  await using folder = await tempFolder();
  writeFileSync(folder.join("empty.db"), "");
  expect(pagesDigest(folder.join("empty.db"))).toBe(fileSha256(folder.join("empty.db")));
});

test("pagesDigest refuses half a page, and what is no database", async () => {
  await using folder = await tempFolder();
  const { path, files } = makeStates(folder, 1024, ["CREATE TABLE t(x)"]);
  truncateSync(path, 1500);
  expect(() => pagesDigest(path)).toThrow(`${path} is 1500 bytes long, which is no whole number of its pages of 1024`);
  for (const bytes of [new Uint8Array(1024), files[0]?.subarray(0, 99) ?? ""]) {
    writeFileSync(path, bytes);
    expect(() => pagesDigest(path)).toThrow(`${path} does not begin with the header of a SQLite database`);
  }
});
