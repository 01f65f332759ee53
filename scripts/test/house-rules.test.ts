import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { findDatabaseOpens, findDisabledTests, findEscapes } from "../house-rules/calls.ts";
import { findWrongDirections, findWrongPackages } from "../house-rules/imports.ts";
import { findOrphans } from "../house-rules/orphans.ts";
import { readProject, type SourceFile } from "../house-rules/project.ts";
import { findLocalNames, findLongLines } from "../house-rules/text.ts";

const project = readProject(join(import.meta.dirname, "../.."));

function file(path: string, ...lines: string[]): SourceFile {
  return { path, text: lines.join("\n") };
}

describe("house rules", () => {
  test("lines are at most 120 columns wide", () => {
    expect(findLongLines(project)).toEqual([]);
  });

  test("imports in core follow the data", () => {
    expect(findWrongDirections(project)).toEqual([]);
  });

  test("packages import only what lies below them and what they declare", () => {
    expect(findWrongPackages(project)).toEqual([]);
  });

  test("only core/src/sqlite opens a database", () => {
    expect(findDatabaseOpens(project)).toEqual([]);
  });

  test("every file is reached from an entry point", () => {
    expect(findOrphans(project)).toEqual([]);
  });

  test("no type is any and the compiler is not silenced", () => {
    expect(findEscapes(project)).toEqual([]);
  });

  test("no test is switched off without a reason", () => {
    expect(findDisabledTests(project)).toEqual([]);
  });

  test("nothing names one machine's paths, tools or registry", () => {
    expect(findLocalNames(project)).toEqual([]);
  });
});

describe("the rules themselves", () => {
  test("findLongLines counts characters, not bytes", () => {
    expect(findLongLines([file("a.ts", "é".repeat(120), "x".repeat(121))])).toEqual([
      "a.ts:2 is 121 columns wide, more than 120",
    ]);
  });

  test("findWrongDirections names an import against the flow", () => {
    const wrong = file(
      "packages/core/src/replica/a.ts",
      'import { x } from "../wal/header.ts";',
      'import "../db/db.ts";',
    );
    expect(findWrongDirections([wrong])).toEqual([
      "packages/core/src/replica/a.ts:2 imports from db/; replica may import" +
        " wal, lz4, store, layout, shadow, restore, validate",
    ]);
  });

  test("findWrongDirections lets shared files name types only, and sees imports over several lines", () => {
    const wrong = file(
      "packages/core/src/errors.ts",
      "import {",
      "  a,",
      '} from "./db/db.ts";',
      'import type { B } from "./db/db.ts";',
    );
    expect(findWrongDirections([wrong])).toEqual([
      "packages/core/src/errors.ts:1 imports from db/; a shared file may import only shared files",
    ]);
  });

  test("findWrongPackages names what core must not know, what is not declared, and reaching out", () => {
    const files = [
      file("packages/core/package.json", '{ "name": "@litestream/core" }'),
      file(
        "packages/core/src/a.ts",
        'import "@litestream/testkit";',
        'import "left-pad/x";',
        'import "../../cli/src/main.ts";',
      ),
    ];
    expect(findWrongPackages(files)).toEqual([
      "packages/core/src/a.ts:1 imports @litestream/testkit, which packages/core must not know",
      "packages/core/src/a.ts:2 imports left-pad, which packages/core/package.json does not declare",
      "packages/core/src/a.ts:3 reaches out of packages/core to packages/cli/src/main.ts",
    ]);
  });

  test("findDatabaseOpens names bun:sqlite, Bun.file and opens outside their owner", () => {
    const files = [
      file("packages/core/src/restore/a.ts", 'import { Database } from "bun:sqlite";', "Bun.file(path);"),
      file("packages/core/src/replica/b.ts", "import {", "  openSync,", '} from "node:fs";'),
      file("packages/core/src/shadow/c.ts", "openSync(this.dbPath);", "openSync(walPath); // beside the db"),
      file("packages/core/src/sqlite/d.ts", 'import { Database } from "bun:sqlite";', "openSync(dbPath);"),
    ];
    expect(findDatabaseOpens(files)).toEqual([
      "packages/core/src/restore/a.ts:1 imports bun:sqlite, which only packages/core/src/sqlite/ may",
      "packages/core/src/restore/a.ts:2 uses Bun.file, whose closing drops SQLite's locks on a database",
      "packages/core/src/replica/b.ts:1 imports openSync; in core, files are opened through LocalFile and the stores",
      "packages/core/src/shadow/c.ts:1 opens a database's file, which only packages/core/src/sqlite/ may",
    ]);
  });

  test("findOrphans follows imports and the names of files that are run", () => {
    const files = [
      file("packages/core/src/index.ts", 'export * from "./a.ts";'),
      file("packages/core/src/a.ts", 'spawn(new URL("./b.ts", import.meta.url));'),
      file("packages/core/src/b.ts"),
      file("packages/core/src/c.ts"),
      file("packages/core/test/c.test.ts", 'import "../src/c.ts";', 'join(folder, "fixtures", "child.ts");'),
      file("packages/core/test/fixtures/child.ts"),
    ];
    expect(findOrphans(files)).toEqual(["packages/core/src/c.ts:1 is reached from no entry point, only from tests"]);
  });

  test("findEscapes tells the type any from the word", () => {
    const files = [file("a.ts", "// any: as any", 'const a = "as any";', "const b = c as any;", "let d: any[];")];
    expect(findEscapes(files)).toEqual([
      "a.ts:3 uses the type any; name the type, or use unknown and check",
      "a.ts:4 uses the type any; name the type, or use unknown and check",
    ]);
  });

  test("findEscapes sees the type any in the comments of a browser's script", () => {
    const script = file("a.js", "/** any @param {string} any */", "/** @type {Map<string, any>} */");
    expect(findEscapes([script])).toEqual(["a.js:2 uses the type any; name the type, or use unknown and check"]);
  });

  test("findDisabledTests names a skip", () => {
    expect(findDisabledTests([file("a.test.ts", 'test.skip("x", () => {});')])).toEqual([
      "a.test.ts:1 uses test.skip; what lacks a tool goes through skipUnless, with a reason",
    ]);
  });

  test("findLocalNames tells a machine's path from a part of an address", () => {
    const folder = ["", "work", "main"].join("/");
    expect(findLocalNames([file("a.md", `see ${folder}`, `https://example.com${folder}`)])).toEqual([
      `a.md:1 names a path of somebody's machine: ${folder.slice(0, 7)}`,
    ]);
  });
});
