import { expect, test } from "bun:test";
import { existsSync, openSync, closeSync, writeSync, rmSync, readdirSync, writeFileSync } from "node:fs";
import { rowsDigest } from "../../src/database/digest.ts";
import { tempDatabase } from "../../src/database/temp-db.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { failureOf } from "../failure.ts";

test("tempFolder is removed with what is in it", async () => {
  const folder = await tempFolder();
  writeFileSync(folder.join("a"), "");
  await folder[Symbol.asyncDispose]();
  expect(existsSync(folder.path)).toBe(false);
});

test("tempDatabase is a WAL database with the page size and auto_vacuum asked for", async () => {
  await using db = await tempDatabase({ pageSize: 1024, autoVacuum: "full" });
  const pragma = (name: string): unknown => Object.values(db.database.query(`PRAGMA ${name}`).get() ?? {})[0];
  expect([pragma("journal_mode"), pragma("page_size"), pragma("auto_vacuum")]).toEqual(["wal", 1024, 1]);
});

test("tempDatabase's disposal closes it and removes the folder", async () => {
  const db = await tempDatabase({ sql: "CREATE TABLE t(a)" });
  db.exec("INSERT INTO t VALUES (1)");
  await db[Symbol.asyncDispose]();
  expect(existsSync(db.folder.path)).toBe(false);
});

test("tempDatabase's disposal fails when the database is corrupt, and removes the folder all the same", async () => {
  const db = await tempDatabase({ sql: "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(9000))" });
  db.close();
  const fd = openSync(db.path, "r+");
  writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, 4096);
  closeSync(fd);
  expect(await failureOf(db[Symbol.asyncDispose]())).toContain("is corrupt at the end of the test");
  expect(existsSync(db.folder.path)).toBe(false);
});

test("tempDatabase's disposal accepts a database that the test deleted", async () => {
  await using db = await tempDatabase();
  db.close();
  rmSync(db.path);
});

test("TempDatabase.close leaves a single file, and the next use opens it again", async () => {
  await using db = await tempDatabase({ sql: "CREATE TABLE t(a)" });
  db.close();
  expect(readdirSync(db.folder.path)).toEqual(["app.db"]);
  const before = rowsDigest(db.path);
  db.exec("INSERT INTO t VALUES (1)");
  db.close();
  expect(rowsDigest(db.path)).not.toBe(before);
});

test("tempDatabase keeps the WAL at close when asked to", async () => {
  await using db = await tempDatabase({ persistWal: true, sql: "CREATE TABLE t(a)" });
  db.close();
  expect(existsSync(`${db.path}-wal`)).toBe(true);
});

test("tempDatabase refuses a page size that is none", async () => {
  expect(await failureOf(tempDatabase({ pageSize: 1000 }))).toContain("a power of two from 512 to 65536, not 1000");
});
