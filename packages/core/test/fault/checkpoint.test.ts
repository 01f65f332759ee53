import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { tempFolder, Workload } from "@litestream/testkit";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { Litestream, type LitestreamEvent } from "../../src/index.ts";
import { failureOf } from "../bytes.ts";

test("a checkpoint that fails is told with its error, and the next one without", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  using database = new Database(path, { create: true });
  database.run("PRAGMA journal_mode = wal");
  database.run("PRAGMA wal_autocheckpoint = 0");
  using workload = new Workload(database, { seed: 1 });
  workload.commit(5);
  await using litestream = new Litestream({
    engine: "inline",
    path,
    replicas: [{ path: folder.join("replica") }],
    monitorEnabled: false,
    minCheckpointPageCount: 1,
    // Also how soon a checkpoint is tried again.
    monitorIntervalMs: 1,
  });
  const events: LitestreamEvent[] = [];
  const unsubscribe = litestream.subscribe((event) => events.push(event));
  const checkpoints = (): LitestreamEvent[] => events.filter(({ type }) => type === "checkpoint");
  const error = new Error("the disk is on fire");
  {
    using _faults = handleFaultPoints((point) => {
      if (point.kind === "step" && point.step === "flush") throw error;
    });
    await litestream.start();
    expect(await failureOf(() => litestream.sync())).toBe(error);
    expect(checkpoints()).toMatchObject([{ mode: "PASSIVE", complete: false, error }]);
  }
  workload.commit(5);
  await litestream.sync();
  expect(checkpoints()).toHaveLength(2);
  expect(checkpoints()[1]).not.toHaveProperty("error");

  unsubscribe();
  workload.commit(5);
  await litestream.sync();
  expect(checkpoints()).toHaveLength(2);
});
