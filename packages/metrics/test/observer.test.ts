import { describe, expect, test } from "bun:test";
import { Litestream, type Position, parsePosition } from "@litestream/core";
import { spawnWriter, tempFolder } from "@litestream/testkit";
import { Registry } from "prom-client";
import { metricsObserver } from "../src/index.ts";

const db = "/data/app.db";
const position: Position = parsePosition("0123456789abcdef/00000002:00001038");

/** The registry's samples, without the lines of help. */
async function samples(registry: Registry): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

describe("metricsObserver", () => {
  test("counts what is copied to the shadow WAL, and where that ends", async () => {
    const registry = new Registry();
    const observe = metricsObserver(registry);
    observe({ db, type: "sync", position, frames: 1, bytes: 4120, durationMs: 250 });
    observe({ db, type: "sync", position, frames: 2, bytes: 8240, durationMs: 250 });
    expect(await samples(registry)).toEqual([
      `litestream_total_wal_bytes{db="${db}"} 12360`,
      `litestream_shadow_wal_index{db="${db}"} 2`,
      `litestream_shadow_wal_size{db="${db}"} 4152`,
      `litestream_sync_count{db="${db}"} 2`,
      `litestream_sync_seconds{db="${db}"} 0.5`,
    ]);
  });

  test("knows each replica by its name", async () => {
    const registry = new Registry();
    const observe = metricsObserver(registry);
    for (const replica of ["file", "other"]) {
      observe({ db, type: "replica-sync", replica, position, bytes: 4120, asOfMs: 0, durationMs: 1 });
    }
    expect(await samples(registry)).toEqual([
      `litestream_replica_wal_bytes{db="${db}",name="file"} 4120`,
      `litestream_replica_wal_bytes{db="${db}",name="other"} 4120`,
      `litestream_replica_wal_index{db="${db}",name="file"} 2`,
      `litestream_replica_wal_index{db="${db}",name="other"} 2`,
      `litestream_replica_wal_offset{db="${db}",name="file"} 4152`,
      `litestream_replica_wal_offset{db="${db}",name="other"} 4152`,
    ]);
  });

  test("counts checkpoints by mode, and errors", async () => {
    const registry = new Registry();
    const observe = metricsObserver(registry);
    observe({
      db,
      type: "checkpoint",
      mode: "PASSIVE",
      complete: true,
      walFrames: 10,
      backfilledFrames: 10,
      durationMs: 500,
      writeLockMs: 1,
    });
    observe({ db, type: "error", operation: "sync", error: new Error("disk full") });
    expect(await samples(registry)).toEqual([
      `litestream_sync_error_count{db="${db}"} 1`,
      `litestream_checkpoint_count{db="${db}",mode="PASSIVE"} 1`,
      `litestream_checkpoint_seconds{db="${db}",mode="PASSIVE"} 0.5`,
    ]);
  });

  test("tells of a real run where its WAL ends, in the shadow WAL and in the replica", async () => {
    await using folder = await tempFolder();
    const registry = new Registry();
    await using writer = await spawnWriter({
      path: folder.join("app.db"),
      seed: 1,
      transactions: 20,
      whenDone: "hold",
    });
    await writer.waitUntilDone();
    await using litestream = new Litestream({
      engine: "inline",
      path: folder.join("app.db"),
      replicas: [{ path: folder.join("replica") }],
      monitorEnabled: false,
      onEvent: metricsObserver(registry),
    });
    await litestream.start();
    const { index, offset } = await litestream.sync();
    const labels = `{db="${folder.join("app.db")}"}`;
    const replicaLabels = `{db="${folder.join("app.db")}",name="file"}`;
    const found = await samples(registry);
    expect(found).toContain(`litestream_shadow_wal_index${labels} ${index}`);
    expect(found).toContain(`litestream_shadow_wal_size${labels} ${offset}`);
    expect(found).toContain(`litestream_total_wal_bytes${labels} ${offset}`);
    expect(found).toContain(`litestream_replica_wal_index${replicaLabels} ${index}`);
    expect(found).toContain(`litestream_replica_wal_offset${replicaLabels} ${offset}`);
  });

  test("registers nothing outside the registry that it was given", async () => {
    metricsObserver(new Registry());
    metricsObserver(new Registry());
    expect(await samples(new Registry())).toEqual([]);
  });

  test("takes every other event without a metric", async () => {
    const registry = new Registry();
    const observe = metricsObserver(registry);
    observe({ db, type: "waiting", reason: "no database" });
    observe({ db, type: "stopped" });
    expect(await samples(registry)).toEqual([]);
  });
});
