import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { openWalDatabase } from "../../src/database/open-database.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";

function pragma(database: Database, name: string): unknown {
  return Object.values(database.query<Record<string, unknown>, []>(`PRAGMA ${name}`).get() ?? {})[0];
}

test("openWalDatabase sets what a connection has of its own", async () => {
  await using folder = await tempFolder();
  using database = openWalDatabase(folder.join("app.db"), {
    busyTimeoutMs: 7,
    autocheckpointPages: 11,
    synchronous: "extra",
  });
  const names = ["journal_mode", "busy_timeout", "wal_autocheckpoint", "synchronous"];
  expect(names.map((name) => pragma(database, name))).toEqual(["wal", 7, 11, 3]);
});

test("openWalDatabase leaves an existing database's page size and auto_vacuum alone, also at a VACUUM", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  openWalDatabase(path, { pageSize: 65536, autoVacuum: "incremental" }).close(true);
  using database = openWalDatabase(path, { pageSize: 512, autoVacuum: "none" });
  database.run("VACUUM");
  expect(["page_size", "auto_vacuum"].map((name) => pragma(database, name))).toEqual([65536, 2]);
});
