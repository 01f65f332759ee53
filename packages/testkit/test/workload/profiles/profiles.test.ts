import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type AutoVacuum, openWalDatabase } from "../../../src/database/open-database.ts";
import { type TempFolder, tempFolder } from "../../../src/database/temp-folder.ts";
import { committedPrefix, verifyWorkload } from "../../../src/workload/oracle.ts";
import type { ProfileName } from "../../../src/workload/options.ts";
import { isProfileName, profileNamed, profiles } from "../../../src/workload/profiles/profiles.ts";
import { spawnWriter } from "../../../src/workload/writer.ts";
import { Workload } from "../../../src/workload/workload.ts";

const names = Object.keys(profiles).filter(isProfileName);
const modes: readonly AutoVacuum[] = ["none", "full", "incremental"];

interface Variant {
  readonly profile: ProfileName;
  readonly pageSize: number;
  readonly autoVacuum: AutoVacuum;
}

/** 23 transactions, which is more than two rounds of the profiles that have rounds, and the file they leave. */
function make(folder: TempFolder, name: string, variant: Variant): string {
  const path = folder.join(name);
  using database = openWalDatabase(path, { ...variant, synchronous: "off" });
  const { profile, pageSize } = variant;
  using workload = new Workload(database, { seed: 5, profile, pageSize, pagesPerTransaction: 3, rowsMax: 200 });
  workload.commit(23);
  return path;
}

test.each(names.flatMap((profile) => [512, 4096, 65536].map((pageSize) => ({ profile, pageSize }))))(
  "profile $profile gives the same bytes on every run, $pageSize-byte pages, any auto_vacuum",
  async (variant) => {
    await using folder = await tempFolder();
    for (const autoVacuum of modes) {
      const first = make(folder, `${autoVacuum}-1`, { ...variant, autoVacuum });
      const second = make(folder, `${autoVacuum}-2`, { ...variant, autoVacuum });
      const bytes = readFileSync(first);
      expect(bytes.equals(readFileSync(second))).toBe(true);
      // https://www.sqlite.org/fileformat.html, section 1.3: page size, largest root page, incremental vacuum.
      expect([bytes.readUInt16BE(16), bytes.readUInt32BE(52) > 0, bytes.readUInt32BE(64)]).toEqual([
        variant.pageSize === 65536 ? 1 : variant.pageSize,
        autoVacuum !== "none",
        autoVacuum === "incremental" ? 1 : 0,
      ]);
    }
    expect(verifyWorkload(folder.join("full-1"))).toBe(23);
  },
);

test.each(names)("profile %s goes on after its writer was killed, and another finds what it wrote", async (profile) => {
  await using folder = await tempFolder();
  const options = { path: folder.join("app.db"), seed: 6, profile, rowsMax: 300, autocheckpointPages: 20 };
  {
    await using writer = await spawnWriter(options);
    await writer.waitFor(11);
    await writer.kill();
    expect(committedPrefix(options.path)).toBeGreaterThanOrEqual(writer.lastAcknowledged());
  }
  await using writer = await spawnWriter({ ...options, transactions: 11 });
  const last = await writer.waitUntilDone();
  await writer.exited;
  expect(last).toBeGreaterThanOrEqual(22);
  expect(verifyWorkload(options.path)).toBe(last);
});

test("profiles have a description of one line each", () => {
  for (const name of names) expect(profiles[name].description).toMatch(/^[A-Z].{30,110}[^.]$/);
  expect(isProfileName("toString")).toBe(false);
  expect(() => profileNamed("mix")).toThrow('no workload profile is called "mix"; there are append, update-hot');
});

/** A number that the database says after each of `transactions`. */
function follow(profile: ProfileName, transactions: number, sql: string, autoVacuum: AutoVacuum = "none"): number[] {
  using database = openWalDatabase(":memory:", { autoVacuum });
  using workload = new Workload(database, { seed: 7, profile });
  return Array.from({ length: transactions }, () => {
    workload.commitNext();
    return numberOf(database, sql);
  });
}

function numberOf(database: Database, sql: string): number {
  return Number(Object.values(database.query<Record<string, number>, []>(sql).get() ?? {})[0]);
}

test("profile mixed writes what it wrote when it was the only one", () => {
  using database = openWalDatabase(":memory:");
  using workload = new Workload(database, { seed: 17, pagesPerTransaction: 4 });
  workload.commit(120);
  const last = database.query("SELECT * FROM marker ORDER BY n DESC LIMIT 1").get();
  expect(last).toEqual({
    n: 120,
    rows: 181,
    state: "e7054ed1b45665c7",
    digest: "661441e612d0182c43d5dcefe1a9cdfa04a13cf26b9cd854e4d1823be6755c93",
  });
});

test("profile append adds rows at the end only, and trims the beginning at rowsMax", () => {
  using database = openWalDatabase(":memory:");
  using workload = new Workload(database, { seed: 1, profile: "append", rowsMax: 300 });
  workload.commit(10);
  const row = database.query("SELECT count(*) AS count, min(id) > 65536 AS trimmed FROM item").get();
  expect(row).toEqual({ count: 300, trimmed: 1 });
});

test("profile update-hot changes all of its few rows each time, and the table's pages stay as many", () => {
  const pages = follow("update-hot", 20, "SELECT count(*) FROM dbstat WHERE name = 'item'");
  expect(new Set(pages).size).toBe(1);
  expect(follow("update-hot", 3, "SELECT count(*) FROM item")).toEqual([8, 8, 8]);
});

test("profile update-random grows to rowsMax and goes on updating", () => {
  using database = openWalDatabase(":memory:");
  using workload = new Workload(database, { seed: 1, profile: "update-random", rowsMax: 100 });
  workload.commit(30);
  const sum = "SELECT sum(unicode(hex(payload))) FROM item";
  expect(numberOf(database, "SELECT count(*) FROM item")).toBe(100);
  const before = numberOf(database, sum);
  workload.commit(10);
  expect(numberOf(database, "SELECT count(*) FROM item")).toBe(100);
  expect(numberOf(database, sum)).not.toBe(before);
});

test("profile delete-heavy fills and empties the freelist", () => {
  const free = follow("delete-heavy", 40, "PRAGMA freelist_count");
  expect(Math.max(...free)).toBeGreaterThan(10);
  expect(free.some((count, i) => count < (free[i - 1] ?? 0))).toBe(true);
});

test("profile blob-overflow has more overflow pages than others", () => {
  const [share] = follow("blob-overflow", 30, "SELECT avg(pagetype = 'overflow') FROM dbstat").slice(-1);
  expect(share).toBeGreaterThan(0.5);
});

test("profile index-heavy has five indexes", () => {
  expect(follow("index-heavy", 1, "SELECT count(*) FROM sqlite_schema WHERE type = 'index'")).toEqual([5]);
});

test("profile without-rowid has its rows in an index b-tree", () => {
  expect(follow("without-rowid", 1, "SELECT wr FROM pragma_table_list WHERE name = 'item'")).toEqual([1]);
});

test("profile vacuum-shrink has fewer pages after each round, and none free", () => {
  using database = openWalDatabase(":memory:");
  using workload = new Workload(database, { seed: 7, profile: "vacuum-shrink" });
  for (const last of [10, 20]) {
    workload.commit(last - workload.committed);
    const pages = numberOf(database, "PRAGMA page_count");
    expect(numberOf(database, "PRAGMA freelist_count")).toBeGreaterThan(pages / 2);
    workload.commitNext();
    expect(numberOf(database, "PRAGMA page_count")).toBeLessThan(pages / 2);
    expect(numberOf(database, "PRAGMA freelist_count")).toBe(0);
  }
});

test.each(["full", "incremental"] as const)("profile grow-shrink goes up and down, auto_vacuum %s", (autoVacuum) => {
  const pages = follow("grow-shrink", 21, "PRAGMA page_count", autoVacuum);
  const [first = 0, , , , top = 0, , , , , bottom = 0, next = 0] = pages;
  expect(top).toBeGreaterThan(first * 2);
  expect(bottom).toBeLessThan(top);
  expect(next).toBeLessThan(top);
  expect(Math.max(...pages.slice(10))).toBeGreaterThan(next);
  expect(profiles["grow-shrink"].autoVacuum).toBe("incremental");
});

test("profile many-tables changes more than one of its tables at a time", () => {
  using database = openWalDatabase(":memory:");
  using workload = new Workload(database, { seed: 7, profile: "many-tables", pagesPerTransaction: 100 });
  workload.commitNext();
  const touched = profiles["many-tables"].tables.filter(
    (table) => numberOf(database, `SELECT count(*) FROM ${table}`) > 0,
  );
  expect(touched.length).toBeGreaterThan(10);
  expect(numberOf(database, "SELECT count(*) FROM dbstat WHERE name = 'sqlite_schema'")).toBeGreaterThan(1);
});

test("profile fts finds by its index what is in the rows", () => {
  using database = openWalDatabase(":memory:");
  using workload = new Workload(database, { seed: 7, profile: "fts" });
  workload.commit(40);
  // With rank 1 it is compared with the table too. https://www.sqlite.org/fts5.html, section 6.6.
  database.run("INSERT INTO item_text(item_text, rank) VALUES ('integrity-check', 1)");
  const rare = "SELECT payload FROM item ORDER BY id DESC LIMIT 1";
  const word = database.query<{ payload: string }, []>(rare).get()?.payload.split(" ").at(-1) ?? "";
  const found = numberOf(database, `SELECT count(*) FROM item_text('${word}')`);
  expect(found).toBeGreaterThan(0);
  expect(found).toBe(numberOf(database, `SELECT count(*) FROM item WHERE ' ' || payload || ' ' LIKE '% ${word} %'`));
});
