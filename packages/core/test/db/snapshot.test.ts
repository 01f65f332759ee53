import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import { commitElsewhere, makeDatabase, sqlElsewhere } from "../child.ts";

async function openDb(path: string): Promise<Db> {
  await makeDatabase(path, { transactions: 2000 });
  await sqlElsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  const checkpoint = { minPageCount: 1, maxPageCount: 0, intervalMs: 0, retryMs: 1000, forcedRetryMs: 10_000 };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, () => undefined);
  db.open();
  return db;
}

describe("DbSnapshot", () => {
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
