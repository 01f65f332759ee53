import { describe, expect, test } from "bun:test";
import { spawnConnection, tempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import { LongReaderWatch } from "../../src/db/long-reader.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";
import { otherSalts, salts } from "./views.ts";

describe("LongReaderWatch", () => {
  const stuck = { salts, mxFrame: 20, nBackfill: 7 };

  test("tells once of checkpoints that stop at the same frame for too long, and once that it is over", () => {
    const watch = new LongReaderWatch(1000);
    expect(watch.afterCheckpoint(stuck, 0)).toBeUndefined();
    expect(watch.afterCheckpoint({ ...stuck, mxFrame: 30 }, 999)).toBeUndefined();
    expect(watch.afterCheckpoint({ ...stuck, mxFrame: 40 }, 1500)).toEqual({ isOver: false, mark: 7, ageMs: 1500 });
    expect(watch.afterCheckpoint({ ...stuck, mxFrame: 50 }, 9000)).toBeUndefined();
    expect(watch.afterLook({ salts, nBackfill: 7 }, 9500)).toBeUndefined();
    expect(watch.afterLook({ salts, nBackfill: 50 }, 10_000)).toEqual({ isOver: true, mark: 7, ageMs: 10_000 });
    expect(watch.afterLook({ salts, nBackfill: 50 }, 11_000)).toBeUndefined();
  });

  test("says nothing of one that ends in time, or whose WAL was restarted, or when all was moved", () => {
    const watch = new LongReaderWatch(1000);
    expect(watch.afterCheckpoint(stuck, 0)).toBeUndefined();
    expect(watch.afterCheckpoint({ ...stuck, nBackfill: 8 }, 2000)).toBeUndefined();
    expect(watch.afterCheckpoint({ ...stuck, salts: otherSalts, nBackfill: 8 }, 4000)).toBeUndefined();
    expect(watch.afterCheckpoint({ salts: otherSalts, mxFrame: 9, nBackfill: 9 }, 6000)).toBeUndefined();
  });

  test("takes a clock that goes back for no time at all", () => {
    const watch = new LongReaderWatch(1000);
    watch.afterCheckpoint(stuck, 100_000);
    expect(watch.afterCheckpoint(stuck, 0)).toBeUndefined();
  });
});

test("a reader that keeps the WAL from being restarted is told of with its mark, and when it has ended", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const events: LitestreamEventBody[] = [];
  const checkpoint = { minPageCount: 1, maxPageCount: 0, intervalMs: 0, retryMs: 0, forcedRetryMs: 0 };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 100, longReaderMs: 1 }, (event) => events.push(event));
  using _closing = { [Symbol.dispose]: () => db.close() };
  db.open();
  db.sync();
  await commitElsewhere(path);
  db.sync();
  await commitElsewhere(path);
  await using reader = await spawnConnection({ path, persistWal: true });
  await reader.all("BEGIN");
  await reader.all("SELECT count(*) FROM sqlite_schema");
  db.sync();
  const said = (): LitestreamEventBody[] => events.filter(({ type }) => type === "long-reader");
  for (let n = 0; n < 3; n++) {
    await commitElsewhere(path);
    db.sync();
    await Bun.sleep(2);
  }
  expect(said()).toMatchObject([{ isOver: false }]);
  const [first] = said();
  if (first?.type !== "long-reader") throw new Error("it was told of");
  expect(first.mark).toBeGreaterThan(0);
  expect(first.walSizeBytes).toBeGreaterThan(first.mark * 4096);
  await reader.all("COMMIT");
  await commitElsewhere(path);
  db.sync();
  db.sync();
  expect(said()).toMatchObject([{ isOver: false }, { isOver: true, mark: first.mark }]);
});
