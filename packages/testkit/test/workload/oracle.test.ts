import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { integrityCheck, rowsDigest } from "../../src/database/digest.ts";
import { committedPrefix, expectedState, requirePrefix, verifyWorkload } from "../../src/workload/oracle.ts";
import { tempDb } from "../../src/database/temp-db.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import type { WorkloadOptions } from "../../src/workload/options.ts";
import { profiles } from "../../src/workload/profiles/profiles.ts";
import { Workload } from "../../src/workload/workload.ts";

function runWorkload(path: string, transactions: number, options: WorkloadOptions): void {
  using database = new Database(path, { create: true, readwrite: true });
  using workload = new Workload(database, options);
  workload.commit(transactions);
}

function change(path: string, sql: string): void {
  using database = new Database(path, { readwrite: true });
  database.run(sql);
}

test("Workload leaves the rows of a replay, whatever the page size and however often interrupted", async () => {
  await using folder = await tempFolder();
  const options = { seed: 17, pagesPerTransaction: 4 };
  const once = folder.join("once.db");
  runWorkload(once, 120, options);

  await using db = await tempDb({ pageSize: 512 });
  for (let i = 0; i < 12; i++) runWorkload(db.path, 10, options);
  db.close();
  expect(rowsDigest(db.path)).toBe(rowsDigest(once));
  expect(expectedState(17, 120, { pagesPerTransaction: 4 })).toBe(rowsDigest(once));
  expect(expectedState(18, 120, { pagesPerTransaction: 4 })).not.toBe(rowsDigest(once));
});

test("Workload inserts, updates, deletes, and fills overflow pages", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 300, { seed: 1 });
  using database = new Database(path, { readonly: true });
  const pages = database
    .query<{ pagetype: string }, []>("SELECT DISTINCT pagetype FROM dbstat WHERE name = 'item' ORDER BY 1")
    .all();
  expect(pages.map(({ pagetype }) => pagetype)).toEqual(["internal", "leaf", "overflow"]);
  expect(integrityCheck(path)).toBe("ok");
});

test("Workload stops growing at rowsMax", () => {
  using database = new Database(":memory:");
  using workload = new Workload(database, { seed: 2, rowsMax: 50 });
  workload.commit(200);
  const count = database.query<{ count: number }, []>("SELECT count(*) AS count FROM item").get()?.count ?? 0;
  expect(count).toBeLessThanOrEqual(50);
  expect(count).toBeGreaterThan(25);
});

test("Workload takes about as many pages as asked for", async () => {
  await using db = await tempDb({ autocheckpointPages: 0 });
  using workload = new Workload(db.database, { seed: 3, pagesPerTransaction: 500 });
  workload.commitNext();
  const before = db.database.query<{ log: number }, []>("PRAGMA wal_checkpoint(PASSIVE)").get()?.log ?? 0;
  workload.commitNext();
  // Everything was moved, so this commit begins the WAL anew.
  const after = db.database.query<{ log: number }, []>("PRAGMA wal_checkpoint(PASSIVE)").get()?.log ?? 0;
  for (const frames of [before, after]) {
    expect(frames).toBeGreaterThan(150);
    expect(frames).toBeLessThan(1000);
  }
});

test("Workload refuses to continue one with other options", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 1, { seed: 1 });
  expect(() => runWorkload(path, 1, { seed: 2 })).toThrow("cannot be continued with");
});

test("Workload refuses to continue one with another profile", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 1, { seed: 1, profile: "fts" });
  expect(() => runWorkload(path, 1, { seed: 1 })).toThrow(/"profile":"fts".*cannot be continued with.*"mixed"/);
});

test("Workload refuses what is no page size, and a profile that there is not", () => {
  using database = new Database(":memory:");
  expect(() => new Workload(database, { seed: 1, pageSize: 1000 })).toThrow("a power of two from 512 to 65536");
  const options = JSON.parse('{ "seed": 1, "profile": "mixt" }') as WorkloadOptions;
  expect(() => new Workload(database, options)).toThrow('no workload profile is called "mixt"');
});

test("Workload refuses a seed out of range", () => {
  using database = new Database(":memory:");
  expect(() => new Workload(database, { seed: -1 })).toThrow("seed out of range: -1");
});

test("committedPrefix is the number of the last transaction", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 0, { seed: 4 });
  expect(committedPrefix(path)).toBe(0);
  runWorkload(path, 33, { seed: 4 });
  expect(committedPrefix(path)).toBe(33);
  expect(verifyWorkload(path)).toBe(33);
});

test("committedPrefix of a database without tables is 0", async () => {
  await using db = await tempDb();
  db.close();
  expect(committedPrefix(db.path)).toBe(0);
});

test("requirePrefix accepts a transaction of the range, and says which one it is otherwise", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 12, { seed: 4 });
  expect(requirePrefix(path, { atLeast: 12 })).toBe(12);
  expect(requirePrefix(path, { atLeast: 0, atMost: 12 })).toBe(12);
  expect(() => requirePrefix(path, { atLeast: 13 })).toThrow(
    `${path}: the state is that after transaction 12, and at least 13 was expected`,
  );
  expect(() => requirePrefix(path, { atLeast: 3, atMost: 11 })).toThrow("transaction 12, and at most 11 was expected");
});

test("requirePrefix refuses a database without tables where a transaction was expected", async () => {
  await using db = await tempDb();
  db.close();
  expect(requirePrefix(db.path, { atLeast: 0 })).toBe(0);
  expect(() => requirePrefix(db.path, { atLeast: 1 })).toThrow("after transaction 0, and at least 1 was expected");
});

test("committedPrefix finds a row that moved to another table", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 20, { seed: 5, profile: "many-tables" });
  expect(verifyWorkload(path)).toBe(20);
  using database = new Database(path);
  const full = profiles["many-tables"].tables.find((table) => database.query(`SELECT 1 FROM ${table}`).get() !== null);
  const to = full === "item_00" ? "item_01" : "item_00";
  database.run(
    `INSERT INTO ${to} SELECT * FROM ${full} LIMIT 1; DELETE FROM ${full} WHERE id IN (SELECT id FROM ${to})`,
  );
  database.close();
  expect(() => committedPrefix(path)).toThrow("the rows are not those of transaction 20");
});

test("committedPrefix takes a table named workload that is somebody else's for that", async () => {
  await using db = await tempDb({ sql: "CREATE TABLE workload(id)" });
  db.close();
  expect(() => committedPrefix(db.path)).toThrow("none of a workload's");
});

test.each([
  [
    "a missing row",
    "DELETE FROM item WHERE id = (SELECT min(id) FROM item)",
    "the rows are not those of transaction 20",
  ],
  [
    "a row of another state",
    "UPDATE item SET payload = x'00' WHERE id = (SELECT max(id) FROM item)",
    "the rows are not",
  ],
  ["an older key", "UPDATE item SET key = 'k' WHERE id = (SELECT max(id) FROM item)", "the rows are not those"],
  ["a missing marker in the middle", "DELETE FROM marker WHERE n = 7", "transaction 7 is missing: 8 follows 6"],
  ["a missing marker at the start", "DELETE FROM marker WHERE n = 1", "transaction 1 is missing: 2 follows 0"],
  ["a missing marker at the end", "DELETE FROM marker WHERE n = 20", "the rows are not those of transaction 19"],
  [
    "a marker of another history",
    "UPDATE marker SET state = '0123456789abcdef' WHERE n = 7",
    "marker 7 is not the one",
  ],
  ["tables that are not a workload's", "DROP TABLE workload", "none of a workload's"],
])("committedPrefix finds %s", async (_, damage, message) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 20, { seed: 5 });
  change(path, damage);
  expect(() => committedPrefix(path)).toThrow(message);
  expect(() => committedPrefix(path)).toThrow(path);
});

test("verifyWorkload finds a table that no transaction made", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  runWorkload(path, 5, { seed: 6 });
  change(path, "CREATE TABLE extra(a)");
  expect(committedPrefix(path)).toBe(5);
  expect(() => verifyWorkload(path)).toThrow("a replay up to transaction 5 gives other rows");
});
