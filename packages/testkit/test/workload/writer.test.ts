import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { readAcknowledgements } from "../../src/workload/acknowledgement-log.ts";
import { integrityCheck } from "../../src/database/digest.ts";
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
