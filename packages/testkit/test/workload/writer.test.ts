import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { readAcknowledgements } from "../../src/workload/acknowledgement-log.ts";
import { integrityCheck } from "../../src/database/digest.ts";
import type { LoadShape } from "../../src/workload/load-shape.ts";
import { committedPrefix, verifyWorkload } from "../../src/workload/oracle.ts";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { spawnWriter } from "../../src/workload/writer.ts";
import { failureOf } from "../failure.ts";

test("spawnWriter writes as many transactions as asked for, closes the database and exits", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 1, transactions: 50 });
  expect(await writer.waitUntilDone()).toBe(50);
  expect(await writer.exited).toEqual({ exitCode: 0, signal: null, stderr: "" });
  expect(readdirSync(folder.path)).toEqual(["app.db"]);
  expect(verifyWorkload(writer.path)).toBe(50);
});

test("WriterProcess.acknowledged lists each transaction in order, at ascending times", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 1, transactions: 20, durable: true });
  await writer.exited;
  const acknowledged = writer.acknowledged();
  expect(acknowledged.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  const times = acknowledged.map(({ atMs }) => atMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

test("WriterProcess.kill leaves a database with all that was acknowledged, which can be continued", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  const logPath = folder.join("log");
  let last = 0;
  for (const until of [30, 60, 90]) {
    await using writer = await spawnWriter({ path, logPath, seed: 7 });
    await writer.waitFor(until);
    expect(await writer.kill()).toMatchObject({ exitCode: null, signal: "SIGKILL" });
    last = writer.lastAcknowledged();
    expect(last).toBeGreaterThanOrEqual(until);
    expect(integrityCheck(path)).toBe("ok");
    expect(committedPrefix(path)).toBeGreaterThanOrEqual(last);
  }
  expect(readAcknowledgements(logPath).at(-1)?.n).toBe(last);
  expect(verifyWorkload(path)).toBeGreaterThanOrEqual(last);
});

test("WriterProcess.stop ends an unlimited writer between two transactions", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 8 });
  await writer.waitFor(10);
  await writer.stop();
  expect(committedPrefix(writer.path)).toBe(writer.lastAcknowledged());
  expect(existsSync(`${writer.path}-wal`)).toBe(false);
});

test("WriterProcess.stop ends a writer that waits for its next transaction to be due", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 8, rate: 0.001 });
  await writer.waitFor(1);
  await writer.stop();
  expect(committedPrefix(writer.path)).toBe(1);
});

test("spawnWriter at a rate writes everything asked for", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 9, transactions: 40, rate: 800 });
  await writer.exited;
  expect(committedPrefix(writer.path)).toBe(40);
});

test("spawnWriter with a load's shape writes everything asked for", async () => {
  await using folder = await tempFolder();
  const shape: LoadShape = { type: "burst", transactions: 15, periodMs: 20 };
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 9, transactions: 40, shape });
  await writer.exited;
  expect(committedPrefix(writer.path)).toBe(40);
});

test("spawnWriter's second burst does not come before its time", async () => {
  await using folder = await tempFolder();
  const shape: LoadShape = { type: "burst", transactions: 15, periodMs: 1e9 };
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 9, shape });
  await writer.waitFor(15);
  await writer.stop();
  expect(committedPrefix(writer.path)).toBe(15);
});

test("spawnWriter refuses a rate beside a shape, and a rate of nothing", async () => {
  const options = { path: "app.db", seed: 1, rate: 0 };
  expect(await failureOf(spawnWriter({ ...options, shape: { type: "constant", rate: 1 } }))).toContain("not both");
  expect(await failureOf(spawnWriter(options))).toContain("a constant load cannot have rate 0");
});

test.each([
  ["without a mode", 0, {}],
  ["with autoVacuum", 1, { autoVacuum: "full" }],
  ["with a profile that wants it", 2, { profile: "grow-shrink" }],
  ["with both", 1, { profile: "grow-shrink", autoVacuum: "full" }],
] as const)("spawnWriter %s makes a database with auto_vacuum %d and the page size", async (_, mode, options) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using writer = await spawnWriter({ path, seed: 9, transactions: 1, pageSize: 1024, ...options });
  await writer.exited;
  using database = new Database(path, { readonly: true });
  expect(database.query("SELECT auto_vacuum, page_size FROM pragma_auto_vacuum, pragma_page_size").get()).toEqual({
    auto_vacuum: mode,
    page_size: 1024,
  });
});

test("spawnWriter refuses to continue another profile", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using writer = await spawnWriter({ path, seed: 9, transactions: 1, profile: "append" });
  await writer.exited;
  expect(await failureOf(spawnWriter({ path, seed: 9 }))).toContain('"profile":"append"');
});

test("spawnWriter gives the writer environment variables", async () => {
  await using folder = await tempFolder();
  writeFileSync(folder.join("preload.ts"), 'console.error("preloaded");');
  const environment = { BUN_OPTIONS: `--preload=${folder.join("preload.ts")}` };
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 9, transactions: 1, environment });
  expect(await writer.exited).toEqual({ exitCode: 0, signal: null, stderr: "preloaded" });
});

test("WriterProcess.stop says how a writer ended that was killed", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 9 });
  process.kill(writer.pid, "SIGKILL");
  expect(await failureOf(writer.stop())).toContain("was ended by SIGKILL");
  expect(await failureOf(writer.waitFor(1e9))).toContain("was ended by SIGKILL before transaction 1000000000");
});

test("spawnWriter that holds keeps the WAL until it is stopped", async () => {
  await using folder = await tempFolder();
  const options = { path: folder.join("app.db"), seed: 9, transactions: 5, autocheckpointPages: 0 };
  await using writer = await spawnWriter({ ...options, whenDone: "hold" });
  await writer.waitUntilDone();
  expect(committedPrefix(writer.path)).toBe(5);
  expect(existsSync(`${writer.path}-wal`)).toBe(true);
  await writer.stop();
  expect(existsSync(`${writer.path}-wal`)).toBe(false);
});

test("WriterProcess.waitFor resolves for what is past, also after the end", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 10, transactions: 5 });
  expect(await writer.waitFor(5)).toBe(5);
  expect(await writer.waitFor(2)).toBe(2);
  await writer.exited;
  expect(await writer.waitFor(5)).toBe(5);
  expect(await writer.waitUntilDone()).toBe(5);
});

test("WriterProcess.waitFor rejects when the writer ends before", async () => {
  await using folder = await tempFolder();
  await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 11, transactions: 5 });
  const message = "before transaction 6 was acknowledged; the last acknowledged is 5";
  expect(await failureOf(writer.waitFor(6))).toContain(message);
  await writer.exited;
  expect(await failureOf(writer.waitFor(6))).toContain(`exited with 0 ${message}`);
});

test("spawnWriter rejects with the reason when the database cannot be opened", async () => {
  await using folder = await tempFolder();
  const failure = await failureOf(spawnWriter({ path: folder.join("missing", "app.db"), seed: 1 }));
  expect(failure).toContain("exited with 1");
  expect(failure).toContain("unable to open database file");
});

test("two writers take turns at one database without breaking the chain", async () => {
  await using folder = await tempFolder();
  const options = { path: folder.join("app.db"), seed: 12, transactions: 40 };
  await using first = await spawnWriter(options);
  await using second = await spawnWriter(options);
  await Promise.all([first.exited, second.exited]);
  expect(verifyWorkload(options.path)).toBe(80);
  const acknowledged = [...first.acknowledged(), ...second.acknowledged()].map(({ n }) => n);
  expect(acknowledged.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
});

test("WriterProcess's disposal ends the process and removes its log", async () => {
  await using folder = await tempFolder();
  const writer = await spawnWriter({ path: folder.join("app.db"), seed: 13 });
  await writer[Symbol.asyncDispose]();
  expect(await writer.exited).toMatchObject({ signal: "SIGKILL" });
  expect(existsSync(writer.logPath)).toBe(false);
});
