import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { spawnConnection, SqlError } from "../../src/database/connection.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { failureOf } from "../failure.ts";

test("ConnectionProcess.run and all write and read what SQLite stores, exactly", async () => {
  await using folder = await tempFolder();
  await using other = await spawnConnection({ path: folder.join("app.db") });
  await other.run("CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE u(a)");
  const values = [null, "ü", 1.5, -1, 2n ** 62n, new Uint8Array([0, 255]), Number.MAX_SAFE_INTEGER];
  for (const value of values) await other.run("INSERT INTO t(a) VALUES (?)", [value]);
  const rows = await other.all("SELECT id, a FROM t ORDER BY id");
  expect(rows).toEqual(values.map((a, i) => ({ id: i + 1, a })));
});

test("ConnectionProcess.run says how many rows changed and which was inserted last", async () => {
  await using folder = await tempFolder();
  await using other = await spawnConnection({ path: folder.join("app.db") });
  await other.run("CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
  expect(await other.run("INSERT INTO t VALUES ($id, $a)", { id: 7, a: "x" })).toEqual({
    changes: 1,
    lastInsertRowid: 7,
  });
  expect(await other.run("INSERT INTO t(id) VALUES (8), (9223372036854775807)")).toEqual({
    changes: 2,
    lastInsertRowid: 9223372036854775807n,
  });
});

test("ConnectionProcess rejects with SQLite's code and message, and goes on", async () => {
  await using folder = await tempFolder();
  await using other = await spawnConnection({ path: folder.join("app.db") });
  await other.run("CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1)");
  const error: unknown = await other.run("INSERT INTO t VALUES (1)").then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SqlError);
  expect(error).toMatchObject({ code: "SQLITE_CONSTRAINT_UNIQUE", sql: "INSERT INTO t VALUES (1)" });
  expect(String(error)).toStartWith("SqlError: UNIQUE constraint failed: t.a (process ");
  expect(String(error)).toContain(other.path);
  expect(await failureOf(other.all("SELEKT 1"))).toContain('near "SELEKT": syntax error');
  expect(await failureOf(other.run("INSERT INTO t VALUES ($a)", { b: 1 }))).toContain("Missing parameter");
  expect(await other.all("SELECT count(*) AS n FROM t")).toEqual([{ n: 1 }]);
});

test("two ConnectionProcesses see each other's locks", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using first = await spawnConnection({ path });
  await first.run("PRAGMA journal_mode = WAL; CREATE TABLE t(a); BEGIN IMMEDIATE");
  await using second = await spawnConnection({ path, busyTimeoutMs: 0 });
  expect(await failureOf(second.run("INSERT INTO t VALUES (2)"))).toContain("database is locked");
  await first.run("COMMIT");
  await second.run("INSERT INTO t VALUES (2)");
  expect(await first.all("SELECT * FROM t")).toEqual([{ a: 2 }]);
});

test.each([
  [false, ["app.db"]],
  [true, ["app.db", "app.db-shm", "app.db-wal"]],
])("ConnectionProcess.close with persistWal %p leaves %p", async (persistWal, left) => {
  await using folder = await tempFolder();
  const other = await spawnConnection({ path: folder.join("app.db"), persistWal, autocheckpointPages: 0 });
  await other.run("PRAGMA journal_mode = WAL; CREATE TABLE t(a)");
  await other.close();
  expect(readdirSync(folder.path).toSorted()).toEqual(left);
});

test("ConnectionProcess.kill leaves the WAL, and what is pending and what comes rejects", async () => {
  await using folder = await tempFolder();
  await using other = await spawnConnection({ path: folder.join("app.db") });
  await other.run("PRAGMA journal_mode = WAL; CREATE TABLE t(a)");
  await other.stop();
  const pending = failureOf(other.run("INSERT INTO t VALUES (1)"));
  await other.kill();
  expect(await pending).toContain("was ended by SIGKILL before it answered: INSERT INTO t VALUES (1)");
  expect(await failureOf(other.all("SELECT 1"))).toContain("was ended by SIGKILL");
  expect(await failureOf(other.close())).toContain("was ended by SIGKILL, and was not closed");
  expect(existsSync(`${other.path}-wal`)).toBe(true);
});

test("ConnectionProcess.stop keeps calls pending until it is resumed", async () => {
  await using folder = await tempFolder();
  await using other = await spawnConnection({ path: folder.join("app.db") });
  await using witness = await spawnConnection({ path: folder.join("app.db") });
  await other.run("PRAGMA journal_mode = WAL; CREATE TABLE t(a)");
  await other.stop();
  let answered = false;
  const inserted = other.run("INSERT INTO t VALUES (1)").then(() => (answered = true));
  expect(await witness.all("SELECT * FROM t")).toEqual([]);
  expect(answered).toBe(false);
  other.resume();
  await inserted;
  expect(await witness.all("SELECT * FROM t")).toEqual([{ a: 1 }]);
});

test("ConnectionProcess's disposal closes it, and kills it where that would wait", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  {
    await using closed = await spawnConnection({ path });
    await closed.run("PRAGMA journal_mode = WAL; CREATE TABLE t(a)");
  }
  expect(existsSync(`${path}-wal`)).toBe(false);
  {
    await using stopped = await spawnConnection({ path });
    await stopped.run("INSERT INTO t VALUES (1)");
    await stopped.stop();
  }
  expect(existsSync(`${path}-wal`)).toBe(true);
});

test("spawnConnection gives the process environment variables", async () => {
  await using folder = await tempFolder();
  await using other = await spawnConnection({ path: folder.join("app.db"), environment: { TZ: "Etc/GMT-5" } });
  expect(await other.all("SELECT time(0, 'unixepoch', 'localtime') AS time")).toEqual([{ time: "05:00:00" }]);
});

test("spawnConnection rejects with the reason when the database cannot be opened", async () => {
  await using folder = await tempFolder();
  const failure = await failureOf(spawnConnection({ path: folder.join("missing", "app.db") }));
  expect(failure).toContain("exited with 1");
  expect(failure).toContain("unable to open database file");
  expect(failure).toContain(folder.join("missing", "app.db"));
});
