/** What others do to a database, beside its WAL (test/interleaving): to its file, its mode, its pages, its time. */
import { describe, expect, setDefaultTimeout, setSystemTime, test } from "bun:test";
import { rmSync } from "node:fs";
import { spawnConnection, tempFolder } from "@litestream/testkit";
import { commitElsewhere, databaseIn, makeDatabase, sqlElsewhere } from "../child.ts";
import { failureOf } from "../bytes.ts";
import { replicate, replicateOnce } from "./place.ts";

// Each has processes of its own, and a busy machine takes its time.
setDefaultTimeout(60_000);

describe("a database", () => {
  test("that is deleted is waited for; one that is created later is replicated, in another generation", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    await using place = await replicate(folder);
    await place.litestream.sync();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`);
    expect(await failureOf(() => place.litestream.sync())).toHaveProperty("code", "DATABASE_MISSING");
    expect((await place.litestream.status()).state).toBe("waiting");
    await makeDatabase(path, { transactions: 3 });
    await place.expectSame();
    expect(place.reasons()).toEqual(["no generation exists", "database replaced"]);
  });

  test("cannot be taken out of WAL mode while it is replicated", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    await using place = await replicate(folder);
    await using other = await spawnConnection({ path, persistWal: true, busyTimeoutMs: 10 });
    expect(await failureOf(() => other.all("PRAGMA journal_mode = delete"))).toHaveProperty("code", "SQLITE_BUSY");
    await place.expectSame();
  });

  test("that was taken out of WAL mode meanwhile is put back, with a warning, in another generation", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    await replicateOnce(folder);
    await using app = await spawnConnection({ path });
    await app.all("PRAGMA journal_mode = delete");
    await app.all("CREATE TABLE added (id INTEGER PRIMARY KEY)");
    await using place = await replicate(folder);
    expect(place.events.map(({ type }) => type)).toContain("warning");
    await app.all("INSERT INTO added VALUES (1)");
    await place.expectSame();
    expect(place.reasons()).toHaveLength(1);
  });

  test("whose page size was changed meanwhile begins another generation", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    await replicateOnce(folder);
    await using app = await spawnConnection({ path });
    for (const sql of ["journal_mode = delete", "page_size = 1024"]) await app.all(`PRAGMA ${sql}`);
    await app.all("VACUUM");
    await app.all("PRAGMA journal_mode = wal");
    await using place = await replicate(folder);
    await commitElsewhere(path);
    await place.expectSame();
    expect((await place.litestream.status()).pageSize).toBe(1024);
    expect(place.reasons()).toHaveLength(1);
  });

  test("that is vacuumed goes on in the same generation", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder, { transactions: 50 });
    await using place = await replicate(folder);
    await place.litestream.sync();
    await sqlElsewhere(path, "VACUUM");
    await place.expectSame();
    await commitElsewhere(path);
    await place.expectSame();
    expect(place.reasons()).toHaveLength(1);
  });

  test("is captured while a write transaction is held, and what that wrote once it was committed", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    await commitElsewhere(path);
    await using place = await replicate(folder, { minCheckpointPageCount: 1, monitorIntervalMs: 0, busyTimeoutMs: 20 });
    await using app = await spawnConnection({ path, persistWal: true });
    await app.all("BEGIN IMMEDIATE");
    await app.all("CREATE TABLE large AS SELECT randomblob(3000000) AS data");
    // For as long as it likes: nothing of it is there yet, and no checkpoint of ours takes its lock away.
    for (let n = 0; n < 3; n++) await place.litestream.sync();
    const before = await place.litestream.sync();
    await app.all("COMMIT");
    const after = await place.litestream.sync();
    expect(after.generation).toBe(before.generation);
    await place.expectSame();
    expect(place.reasons()).toHaveLength(1);
  });

  test("is replicated whatever the clock says; what is known as of a time is not known as of a later one", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const checkpoints = { checkpointIntervalMs: 10, monitorIntervalMs: 0 };
    await using place = await replicate(folder, checkpoints);
    await place.litestream.sync();
    const nowMs = Date.now();
    try {
      for (const hours of [-24, 48, -1, -1000]) {
        setSystemTime(nowMs + hours * 3_600_000);
        await commitElsewhere(path);
        await place.expectSame();
        const [replica] = (await place.litestream.status()).replicas;
        expect(Math.abs((replica?.asOfMs ?? 0) - Date.now())).toBeLessThan(1_800_000);
        expect(replica?.lagMs).toBe(0);
      }
    } finally {
      setSystemTime();
    }
    expect(place.reasons()).toHaveLength(1);
  });
});
