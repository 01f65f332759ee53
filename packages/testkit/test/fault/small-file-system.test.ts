import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync, openSync, closeSync, writeFileSync } from "node:fs";
import { canMountSmallFileSystem, integrityCheck, smallFileSystem } from "../../src/index.ts";
import { skipWhen } from "../../src/skip.ts";
import { failureOf } from "../failure.ts";

const testSmall = skipWhen(!canMountSmallFileSystem(), "only root may mount a file system");

testSmall("a small file system has its size, is filled up to a block, and given back", async () => {
  await using files = await smallFileSystem({ sizeBytes: 1 << 20 });
  expect(await files.freeBytes()).toBe(1 << 20);
  await files.fill(10_000);
  expect(await files.freeBytes()).toBe(3 * 4096);
  await files.fill();
  expect(await files.freeBytes()).toBe(0);
  expect(() => writeFileSync(files.join("more"), "x")).toThrow("ENOSPC");
  await files.free();
  expect(await files.freeBytes()).toBe(1 << 20);
  writeFileSync(files.join("more"), "x");
});

testSmall("a database on a full file system refuses a commit, and takes it when there is space again", async () => {
  await using files = await smallFileSystem({ sizeBytes: 1 << 20 });
  const path = files.join("app.db");
  {
    using database = new Database(path);
    database.run("PRAGMA journal_mode = WAL");
    database.run("CREATE TABLE t (content)");
    await files.fill(8192);
    expect(() => database.run("INSERT INTO t VALUES (zeroblob(100000))")).toThrow("database or disk is full");
    await files.free();
    database.run("INSERT INTO t VALUES (zeroblob(100000))");
    expect(database.query("SELECT count(*) FROM t").values()).toEqual([[1]]);
  }
  expect(integrityCheck(path)).toBe("ok");
});

testSmall("SmallFileSystem's disposal removes it, open files or not", async () => {
  const files = await smallFileSystem({ sizeBytes: 1 << 16 });
  const fd = openSync(files.join("open"), "w");
  try {
    await files[Symbol.asyncDispose]();
    expect(existsSync(files.path)).toBe(false);
  } finally {
    closeSync(fd);
  }
});

test("smallFileSystem refuses a size that is none", async () => {
  expect(await failureOf(smallFileSystem({ sizeBytes: 0 }))).toContain("sizeBytes is above 0");
});
