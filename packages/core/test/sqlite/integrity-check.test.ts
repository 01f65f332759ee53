import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { type TempFolder, tempFolder } from "@litestream/testkit";
import { checkIntegrity } from "../../src/sqlite/integrity-check.ts";

const pageSize = 512;

/** Many more pages than the quick check keeps: of tables, of an index, with overflow, and with maps of pointers. */
function makeDatabase(folder: TempFolder): string {
  const path = folder.join("app.db");
  const database = new Database(path);
  try {
    database.run(`PRAGMA page_size = ${pageSize}`);
    database.run("PRAGMA auto_vacuum = INCREMENTAL");
    database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)");
    database.run("CREATE INDEX t_a ON t (a COLLATE NOCASE)");
    const insert = database.query("INSERT INTO t (a, b) VALUES (?, ?)");
    database.transaction(() => {
      for (let row = 0; row < 300; row++) insert.run(`a${(row * 7919) % 300}`, "b".repeat(1 + ((row * 31) % 1500)));
    })();
  } finally {
    database.close();
  }
  return path;
}

/** Changes the schema in the file, which SQLite itself would not do; the texts are of the same length. */
function replaceInSchema(path: string, before: string, after: string): void {
  const bytes = readFileSync(path);
  bytes.write(after, bytes.indexOf(before));
  writeFileSync(path, bytes);
}

describe("checkIntegrity", () => {
  test("finds nothing in a sound database, and leaves nothing beside it", async () => {
    await using folder = await tempFolder();
    const path = makeDatabase(folder);
    for (const depth of ["quick", "full"] as const) expect(checkIntegrity(path, depth)).toEqual({ outcome: "ok" });
    expect(await Array.fromAsync(new Bun.Glob("*").scan({ cwd: folder.path, dot: true }))).toEqual(["app.db"]);
  });

  test("finds any page of a table or an index that is overwritten, however many there are", async () => {
    await using folder = await tempFolder();
    const path = makeDatabase(folder);
    const sound = readFileSync(path);
    const treePageTypes = new Set([2, 5, 10, 13]);
    let pages = 0;
    // Page 1 begins with the file's header, and what is no page of a tree is full of text.
    for (let offset = pageSize; offset < sound.byteLength; offset += pageSize) {
      if (!treePageTypes.has(sound[offset] ?? 0) || sound[offset + 1] !== 0) continue;
      pages++;
      const damaged = Buffer.from(sound);
      damaged.fill(0xff, offset, offset + 8);
      writeFileSync(path, damaged);
      expect(checkIntegrity(path, "quick").outcome).toBe("damaged");
    }
    expect(pages).toBeGreaterThan(100);
  });

  test("compares indexes with their tables only where it is full", async () => {
    await using folder = await tempFolder();
    const path = makeDatabase(folder);
    replaceInSchema(path, "(a COLLATE NOCASE)", "(b COLLATE NOCASE)");
    expect(checkIntegrity(path, "quick").outcome).toBe("ok");
    expect(checkIntegrity(path, "full").outcome).toBe("damaged");
  });

  test("does not take for damage what only the application can compare", async () => {
    await using folder = await tempFolder();
    const path = makeDatabase(folder);
    replaceInSchema(path, "COLLATE NOCASE", "COLLATE NOSUCH");
    expect(checkIntegrity(path, "full")).toMatchObject({ outcome: "unknown" });
  });

  test("takes a file that is no database for damaged", async () => {
    await using folder = await tempFolder();
    writeFileSync(folder.join("app.db"), "x".repeat(4096));
    expect(checkIntegrity(folder.join("app.db"), "quick").outcome).toBe("damaged");
  });
});
