import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { integrityCheck, rowsDigest, schemaOf } from "../../src/database/digest.ts";
import { expectedState } from "../../src/workload/oracle.ts";
import { tempDb } from "../../src/database/temp-db.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { spawnWriter } from "../../src/workload/writer.ts";

test("rowsDigest is the hash of the lines its definition gives", async () => {
  await using db = await tempDb({
    sql: `CREATE TABLE b(x, "y z"); CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE);
      INSERT INTO b VALUES (10, NULL), (1, x'0aff'), (1.5, 'it''s'); INSERT INTO a VALUES (1, 'ü')`,
  });
  db.close();
  const lines = [
    "S|index|sqlite_autoindex_a_1|a|",
    "S|table|a|a|CREATE TABLE a(id INTEGER PRIMARY KEY, u TEXT UNIQUE)",
    'S|table|b|b|CREATE TABLE b(x, "y z")',
    "R|a|1|'ü'",
    "R|b|1.5|'it''s'",
    "R|b|10|NULL",
    "R|b|1|X'0AFF'",
  ];
  const expected = createHash("sha256").update(lines.map((line) => `${line}\n`).join(""));
  expect(rowsDigest(db.path)).toBe(expected.digest("hex"));
});

test("rowsDigest does not depend on page size, order of insertion or vacuum", async () => {
  const digests: string[] = [];
  for (const [pageSize, order, end] of [
    [512, "ASC", "SELECT 1"],
    [4096, "DESC", "VACUUM"],
  ] as const) {
    await using db = await tempDb({ pageSize, sql: "CREATE TABLE t(a, b)" });
    db.exec(
      `WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 500)
      INSERT INTO t SELECT n, hex(n) FROM series ORDER BY n ${order}; ${end}`,
    );
    db.close();
    digests.push(rowsDigest(db.path));
  }
  expect(new Set(digests).size).toBe(1);
});

test("rowsDigest sees what is only in the WAL, and leaves the WAL as it is", async () => {
  await using folder = await tempFolder();
  const options = { path: folder.join("app.db"), seed: 1, autocheckpointPages: 0 };
  await using writer = await spawnWriter({ ...options, transactions: 3, whenDone: "hold" });
  await writer.waitUntilDone();
  await writer.kill();
  const wal = readFileSync(`${options.path}-wal`);
  expect(wal.length).toBeGreaterThan(0);
  expect(rowsDigest(options.path)).toBe(expectedState(1, 3));
  expect(readFileSync(`${options.path}-wal`).equals(wal)).toBe(true);
});

test("rowsDigest, integrityCheck and schemaOf leave no files behind", async () => {
  await using db = await tempDb({ sql: "CREATE TABLE t(a)" });
  db.close();
  rowsDigest(db.path);
  integrityCheck(db.path);
  schemaOf(db.path);
  expect(readdirSync(db.folder.path)).toEqual(["app.db"]);
});

test("rowsDigest works on a path with characters that mean something in a URI", async () => {
  await using db = await tempDb({ name: "a ?#%41&ü.db", sql: "CREATE TABLE t(a)" });
  db.close();
  expect(rowsDigest(db.path)).toHaveLength(64);
});

test("rowsDigest of a missing database names it and does not make it", async () => {
  await using folder = await tempFolder();
  expect(() => rowsDigest(folder.join("none.db"))).toThrow("none.db: no such database");
  expect(readdirSync(folder.path)).toEqual([]);
});

test("integrityCheck is ok for a sound database", async () => {
  await using db = await tempDb({ sql: "CREATE TABLE t(a)" });
  db.close();
  expect(integrityCheck(db.path)).toBe("ok");
});

test("integrityCheck says what is wrong with a cut database", async () => {
  await using db = await tempDb({ sql: "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(50000))" });
  db.close();
  truncateSync(db.path, 8192);
  expect(integrityCheck(db.path)).toContain("malformed");
  truncateSync(db.path, 0);
});

test("integrityCheck says that a file is not a database", async () => {
  await using folder = await tempFolder();
  writeFileSync(folder.join("text"), "not a database ".repeat(100));
  expect(integrityCheck(folder.join("text"))).toBe("file is not a database");
});

test("schemaOf lists every entry by type and name", async () => {
  await using db = await tempDb({ sql: "CREATE TABLE t(a UNIQUE); CREATE INDEX i ON t(a); CREATE TABLE s(a)" });
  db.close();
  expect(schemaOf(db.path)).toEqual([
    { type: "index", name: "i", tblName: "t", sql: "CREATE INDEX i ON t(a)" },
    { type: "index", name: "sqlite_autoindex_t_1", tblName: "t", sql: null },
    { type: "table", name: "s", tblName: "s", sql: "CREATE TABLE s(a)" },
    { type: "table", name: "t", tblName: "t", sql: "CREATE TABLE t(a UNIQUE)" },
  ]);
});
