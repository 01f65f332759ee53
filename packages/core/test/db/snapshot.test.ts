import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import { isWorthSpooling, type SpoolPolicy } from "../../src/db/spool.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { failureOf } from "../bytes.ts";
import { commitElsewhere, makeDatabase, sqlElsewhere } from "../child.ts";

async function openDb(path: string): Promise<Db> {
  await makeDatabase(path, { transactions: 2000 });
  await sqlElsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  const checkpoint = { minPageCount: 1, maxPageCount: 0, intervalMs: 0, retryMs: 1000, forcedRetryMs: 10_000 };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, () => undefined);
  db.open();
  return db;
}

/** Puts everything aside after the first chunk. */
const spoolAtOnce: SpoolPolicy = { afterMs: 0, belowBytesPerSecond: Infinity };

describe("isWorthSpooling", () => {
  const policy: SpoolPolicy = { afterMs: 5000, belowBytesPerSecond: 100e6 };
  const slow = { elapsedMs: 6000, sentBytes: 60e6, leftBytes: 600e6 };
  const plenty = (): number => 10e9;

  test("is true for a slow store, a long rest and room for it", () => {
    expect(isWorthSpooling(slow, policy, plenty)).toBe(true);
  });

  test.each([
    ["that has only begun", { ...slow, elapsedMs: 4000 }],
    ["whose store is as fast as a disk", { ...slow, sentBytes: 900e6, leftBytes: 90e9 }],
    ["that will soon be over", { ...slow, leftBytes: 40e6 }],
    ["that has nothing left", { ...slow, leftBytes: 0 }],
  ])("is false for one %s", (_what, pace) => {
    expect(isWorthSpooling(pace, policy, plenty)).toBe(false);
  });

  test("is false where the disk has no room for the rest and for what comes meanwhile", () => {
    expect(isWorthSpooling(slow, policy, () => 700e6)).toBe(false);
  });
});

describe("DbSnapshot", () => {
  test("does not hold its read transaction for a slow store: the rest of the copy lies in a spool", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const db = await openDb(path);
    const before = readFileSync(path);
    using snapshot = db.beginSnapshot(65_536, spoolAtOnce);
    const content = snapshot.content()[Symbol.asyncIterator]();
    const chunks: Uint8Array[] = [];
    const take = async (): Promise<boolean> => {
      const next = await content.next();
      if (next.done !== true) chunks.push(Uint8Array.from(next.value));
      return next.done !== true;
    };
    await take();
    await take();
    // Our own checkpoints go on, and change the database file, while the store has most of the copy to take yet.
    const { index } = snapshot;
    while (db.captured()?.position.index === index) {
      await commitElsewhere(path);
      db.sync();
    }
    expect(chunks).toHaveLength(2);
    while (await take());
    expect(Buffer.concat(chunks).equals(before)).toBe(true);
    expect(readFileSync(path).equals(before)).toBe(false);
    expect(snapshot.end()).toMatchObject({ generation: snapshot.generation, index });
    expect(readdirSync(db.metaPath).filter((name) => name.startsWith("spool"))).toEqual([]);
    db.close();
  });

  test("is read from the database file where the spool's disk is full", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const db = await openDb(path);
    let writes = 0;
    using _faults = handleFaultPoints((point) => {
      if (point.kind !== "file" || point.operation !== "write" || !point.path.includes("spool-")) return;
      if (++writes > 3) throw Object.assign(new Error("ENOSPC: injected"), { code: "ENOSPC" });
    });
    using snapshot = db.beginSnapshot(65_536, spoolAtOnce);
    const chunks: Uint8Array[] = [];
    for await (const chunk of snapshot.content()) chunks.push(Uint8Array.from(chunk));
    expect(writes).toBe(4);
    expect(Buffer.concat(chunks).equals(readFileSync(path))).toBe(true);
    snapshot.end();
    db.close();
  });

  test("is closed with its database, and whoever reads it is told", async () => {
    await using folder = await tempFolder();
    const db = await openDb(folder.join("app.db"));
    const snapshot = db.beginSnapshot(65_536, spoolAtOnce);
    const content = snapshot.content()[Symbol.asyncIterator]();
    await content.next();
    await content.next();
    db.close();
    expect(await failureOf(() => content.next())).toHaveProperty("message", expect.stringContaining("was closed"));
  });

  test("gives the bytes of the database file", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const db = await openDb(path);
    using snapshot = db.beginSnapshot();
    const chunks: Uint8Array[] = [];
    for await (const chunk of snapshot.content()) chunks.push(Uint8Array.from(chunk));
    expect(snapshot.end()).toEqual({ generation: snapshot.generation, index: snapshot.index, offset: 0 });
    db.close();
    expect(Buffer.concat(chunks).equals(readFileSync(path))).toBe(true);
  });

  test("lets timers and events have their turn between two chunks", async () => {
    await using folder = await tempFolder();
    const db = await openDb(folder.join("app.db"));
    using snapshot = db.beginSnapshot();
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    let chunks = 0;
    for await (const _chunk of snapshot.content()) chunks += 1;
    clearInterval(timer);
    db.close();
    expect(chunks).toBeGreaterThan(4);
    expect(turns).toBeGreaterThan(0);
  });

  test("holds every checkpoint of ours off until it ends, and ends where the WAL ends then", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const db = await openDb(path);
    const snapshot = db.beginSnapshot();
    for (let i = 0; i < 3; i++) {
      await commitElsewhere(path);
      db.sync();
    }
    expect(db.captured()?.position.index).toBe(snapshot.index);
    await commitElsewhere(path);
    expect(snapshot.end().offset).toBeGreaterThan(0);
    expect(db.captured()?.position).toEqual(snapshot.end());
    await commitElsewhere(path);
    db.sync();
    await commitElsewhere(path);
    db.sync();
    expect(db.captured()?.position.index).toBeGreaterThan(snapshot.index);
    db.close();
  });
});
