import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { spawnConnection, SqlError, type TempFolder, tempFolder } from "@litestream/testkit";
import { skipUnless } from "@litestream/testkit/skip";
import { DbFile } from "../../src/sqlite/db-file.ts";
import { failureOf } from "../bytes.ts";

const descriptorsFolder = "/proc/self/fd";
const testWithProc = skipUnless(process.platform === "linux" ? true : undefined, "descriptors are listed by Linux");

/** Of an application that has a database open in this process, and has written to it. */
function application(folder: TempFolder): { readonly path: string; readonly database: Database } {
  const path = folder.join("app.db");
  const database = new Database(path, { create: true });
  database.run("PRAGMA journal_mode = wal");
  database.run("CREATE TABLE t (x)");
  return { path, database };
}

function useOnce(path: string): void {
  const file = DbFile.open(path);
  file.openWalIndex();
  file.close();
}

/** Descriptors of this process that lead to the database or its wal-index, also where these were removed. */
function descriptorsOf(path: string): number {
  const targets = readdirSync(descriptorsFolder).map((fd) => {
    try {
      return readlinkSync(`${descriptorsFolder}/${fd}`);
    } catch {
      return "";
    }
  });
  return targets.filter((target) => target.startsWith(path)).length;
}

test("an application in the same process keeps its locks when the engine has ended", async () => {
  await using folder = await tempFolder();
  const { path, database } = application(folder);
  using _database = database;
  await using other = await spawnConnection({ path, busyTimeoutMs: 0 });
  database.run("BEGIN IMMEDIATE");
  useOnce(path);
  expect(await failureOf(() => other.run("BEGIN IMMEDIATE"))).toBeInstanceOf(SqlError);
  database.run("COMMIT");
  await other.run("BEGIN IMMEDIATE");
  await other.run("ROLLBACK");
});

testWithProc("the next use has the descriptors of the one before", async () => {
  await using folder = await tempFolder();
  const { path, database } = application(folder);
  using _database = database;
  useOnce(path);
  const count = descriptorsOf(path);
  for (let use = 0; use < 5; use++) useOnce(path);
  expect(descriptorsOf(path)).toBe(count);
});

testWithProc("the descriptors of a removed database are closed, at the next use of another", async () => {
  await using folder = await tempFolder();
  await using otherFolder = await tempFolder();
  const { path, database } = application(folder);
  useOnce(path);
  database.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
  expect(descriptorsOf(path)).toBeGreaterThan(0);
  const other = application(otherFolder);
  using _other = other.database;
  useOnce(other.path);
  expect(descriptorsOf(path)).toBe(0);
});
