import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { tempFolder, Workload } from "@litestream/testkit";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { Litestream, type ReplicaStatus } from "../../src/index.ts";
import { failureOf } from "../bytes.ts";

async function replicaOf(litestream: Litestream): Promise<ReplicaStatus> {
  const [replica] = (await litestream.status()).replicas;
  if (replica === undefined) throw new Error("it has a replica");
  return replica;
}

test("a replica lags from the last good look at the WAL on, while looks at it fail", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  using database = new Database(path, { create: true });
  database.run("PRAGMA journal_mode = wal");
  using workload = new Workload(database, { seed: 1 });
  workload.commit(2);
  await using litestream = new Litestream({
    engine: "inline",
    path,
    replicas: [{ path: folder.join("replica") }],
    monitorEnabled: false,
  });
  await litestream.start();
  await litestream.sync();
  const synced = await replicaOf(litestream);
  expect(synced).toMatchObject({ lagMs: 0, lagBytes: 0 });
  {
    using _faults = handleFaultPoints((point) => {
      if (point.kind === "step" && point.step === "look") throw new Error("the disk is on fire");
    });
    workload.commit(1);
    await failureOf(() => litestream.sync());
    await Bun.sleep(5);
    const failing = await replicaOf(litestream);
    expect(failing.lagMs).toBeGreaterThanOrEqual(5);
    expect(failing.asOfMs).toBe(synced.asOfMs);
  }
  await litestream.sync();
  const recovered = await replicaOf(litestream);
  expect(recovered).toMatchObject({ lagMs: 0, lagBytes: 0 });

  await Bun.sleep(5);
  await litestream.sync();
  const idle = await replicaOf(litestream);
  expect(idle.position).toEqual(recovered.position);
  expect(idle.asOfMs).toBeGreaterThan(recovered.asOfMs ?? Infinity);
});
