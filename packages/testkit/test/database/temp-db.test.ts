import { expect, test } from "bun:test";
import { existsSync, openSync, closeSync, writeSync, rmSync, readdirSync, writeFileSync } from "node:fs";
import { rowsDigest } from "../../src/database/digest.ts";
import { tempDb } from "../../src/database/temp-db.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { Workload } from "../../src/workload/workload.ts";
import { failureOf } from "../failure.ts";

test("tempFolder is removed with what is in it", async () => {
  const folder = await tempFolder();
  writeFileSync(folder.join("a"), "");
  await folder[Symbol.asyncDispose]();
  expect(existsSync(folder.path)).toBe(false);
});

test("tempDb is a WAL database with the page size and auto_vacuum asked for", async () => {
  await using db = await tempDb({ pageSize: 1024, autoVacuum: "full" });
  const pragma = (name: string): unknown => Object.values(db.database.query(`PRAGMA ${name}`).get() ?? {})[0];
  expect([pragma("journal_mode"), pragma("page_size"), pragma("auto_vacuum")]).toEqual(["wal", 1024, 1]);
});

test("tempDb's disposal closes it and removes the folder", async () => {
  const db = await tempDb({ sql: "CREATE TABLE t(a)" });
  db.exec("INSERT INTO t VALUES (1)");
  await db[Symbol.asyncDispose]();
  expect(existsSync(db.folder.path)).toBe(false);
});

test("tempDb's disposal fails when the database is corrupt, and removes the folder all the same", async () => {
  const db = await tempDb({ sql: "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(9000))" });
  db.close();
  const fd = openSync(db.path, "r+");
  writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, 4096);
  closeSync(fd);
  expect(await failureOf(db[Symbol.asyncDispose]())).toContain("is corrupt at the end of the test");
  expect(existsSync(db.folder.path)).toBe(false);
});

test("tempDb's disposal fails when the rows are not those of the workload", async () => {
  const db = await tempDb();
  using workload = new Workload(db.database, { seed: 1 });
  workload.commit(5);
  db.exec("UPDATE item SET key = 'other' WHERE id = (SELECT min(id) FROM item)");
  workload[Symbol.dispose]();
  expect(await failureOf(db[Symbol.asyncDispose]())).toContain("the rows are not those of transaction 5");
  expect(existsSync(db.folder.path)).toBe(false);
});

test("tempDb's disposal accepts a workload, and a table that is only called that", async () => {
  await using db = await tempDb();
  using workload = new Workload(db.database, { seed: 1, profile: "fts" });
  workload.commit(5);
  await using other = await tempDb({ sql: "CREATE TABLE workload(a)" });
  expect(db.path).not.toBe(other.path);
});

test("tempDb's disposal accepts a database that the test deleted", async () => {
  await using db = await tempDb();
  db.close();
  rmSync(db.path);
});

test("TempDb.close leaves a single file, and the next use opens it again", async () => {
  await using db = await tempDb({ sql: "CREATE TABLE t(a)" });
  db.close();
  expect(readdirSync(db.folder.path)).toEqual(["app.db"]);
  const before = rowsDigest(db.path);
  db.exec("INSERT INTO t VALUES (1)");
  db.close();
  expect(rowsDigest(db.path)).not.toBe(before);
});

test("tempDb keeps the WAL at close when asked to", async () => {
  await using db = await tempDb({ persistWal: true, sql: "CREATE TABLE t(a)" });
  db.close();
  expect(existsSync(`${db.path}-wal`)).toBe(true);
});

test("tempDb refuses a page size that is none", async () => {
  expect(await failureOf(tempDb({ pageSize: 1000 }))).toContain("a power of two from 512 to 65536, not 1000");
});
