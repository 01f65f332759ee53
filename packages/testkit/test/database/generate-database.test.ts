import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { integrityCheck, rowsDigest } from "../../src/database/digest.ts";
import { generateDatabase } from "../../src/database/generate-database.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { failureOf } from "../failure.ts";

test.each([512, 4096, 65536])("generateDatabase makes a sound WAL-mode database, %d-byte pages", async (pageSize) => {
  await using folder = await tempFolder();
  const path = folder.join("large.db");
  const sizeBytes = 3 << 20;
  const size = await generateDatabase(path, { sizeBytes, seed: 1, pageSize });
  expect(size).toBeGreaterThanOrEqual(sizeBytes);
  expect(size).toBeLessThan(sizeBytes + (1 << 20));
  expect(readdirSync(folder.path)).toEqual(["large.db"]);
  expect(integrityCheck(path)).toBe("ok");
  // Bytes 18 and 19 of a database in WAL mode are 2. https://www.sqlite.org/fileformat.html, section 1.3.3.
  expect([...readFileSync(path).subarray(16, 20)]).toEqual([(pageSize >> 8) & 0xff, pageSize >> 16, 2, 2]);
});

test("generateDatabase gives the same rows for the same seed only", async () => {
  await using folder = await tempFolder();
  for (const [name, seed] of [
    ["a", 1],
    ["b", 1],
    ["c", 2],
  ] as const) {
    await generateDatabase(folder.join(name), { sizeBytes: 1 << 20, seed });
  }
  expect(rowsDigest(folder.join("b"))).toBe(rowsDigest(folder.join("a")));
  expect(rowsDigest(folder.join("c"))).not.toBe(rowsDigest(folder.join("a")));
});

test.each([
  ["none", [0, 0]],
  ["full", [1, 0]],
  ["incremental", [1, 1]],
] as const)("generateDatabase makes a sound database with auto_vacuum %s", async (autoVacuum, flags) => {
  await using folder = await tempFolder();
  const path = folder.join("large.db");
  await generateDatabase(path, { sizeBytes: 1 << 20, seed: 1, autoVacuum });
  expect(integrityCheck(path)).toBe("ok");
  // https://www.sqlite.org/fileformat.html, section 1.3.12: the largest root page, and whether vacuum is incremental.
  const header = readFileSync(path);
  expect([Math.min(1, header.readUInt32BE(52)), header.readUInt32BE(64)]).toEqual([...flags]);
});

test("generateDatabase is as compressible as asked for", async () => {
  await using folder = await tempFolder();
  const ratios: number[] = [];
  for (const compressible of [0, 0.5, 1]) {
    const path = folder.join(`${compressible}.db`);
    const size = await generateDatabase(path, { sizeBytes: 2 << 20, seed: 1, compressible });
    ratios.push(gzipSync(readFileSync(path)).length / size);
  }
  const [none = 0, half = 0, all = 1] = ratios;
  expect(none).toBeGreaterThan(0.9);
  expect(half).toBeWithin(0.35, 0.65);
  expect(all).toBeLessThan(0.1);
});

test("generateDatabase does not touch a file that exists", async () => {
  await using folder = await tempFolder();
  const path = folder.join("a.db");
  writeFileSync(path, "precious");
  const failure = await failureOf(generateDatabase(path, { sizeBytes: 1, seed: 1 }));
  expect(failure).toContain("a database is generated into a new file");
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test("generateDatabase leaves nothing behind when it is aborted", async () => {
  await using folder = await tempFolder();
  const abort = new AbortController();
  const generating = generateDatabase(folder.join("a.db"), {
    sizeBytes: 100 << 20,
    seed: 1,
    signal: abort.signal,
    onProgress: () => abort.abort(new Error("enough")),
  });
  expect(await failureOf(generating)).toBe("Error: enough");
  expect(readdirSync(folder.path)).toEqual([]);
});

test("generateDatabase's files open for writing", async () => {
  await using folder = await tempFolder();
  const path = folder.join("a.db");
  await generateDatabase(path, { sizeBytes: 1 << 20, seed: 1 });
  using database = new Database(path, { readwrite: true });
  expect(database.run("DELETE FROM record WHERE id = 1").changes).toBe(1);
});
