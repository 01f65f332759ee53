import { describe, expect, test } from "bun:test";
import { type DatabaseStatus, generationReasons, Litestream, LitestreamError } from "@litestream/core";
import { spawnWriter, tempFolder } from "@litestream/testkit";
import { Counter, Registry } from "prom-client";
import { metricDefinitions, metricsObserver, observe } from "../src/index.ts";
import { databaseStatus, dbPath, FakeDatabase, position, replicaStatus } from "./fake-database.ts";
import { parseSamples, samplesOf } from "./samples.ts";

const ofDb = `{db="${dbPath}"}`;
const ofReplica = `{db="${dbPath}",name="file"}`;
const checkpoint = {
  type: "checkpoint",
  mode: "PASSIVE",
  complete: true,
  walFrames: 10,
  backfilledFrames: 10,
  durationMs: 500,
  writeLockMs: 2,
} as const;
const validation = {
  type: "validation",
  replica: "file",
  position,
  durationMs: 1,
  differences: [],
  keptAt: undefined,
  message: undefined,
} as const;

describe("observe", () => {
  test("serves how the database stands when it is scraped", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    const samples = await samplesOf(observation.registry);
    expect(samples.get(`litestream_db_size${ofDb}`)).toBe(8192);
    expect(samples.get(`litestream_wal_size${ofDb}`)).toBe(4152);
    expect(samples.get(`litestream_shadow_wal_index${ofDb}`)).toBe(2);
    expect(samples.get(`litestream_shadow_wal_size${ofDb}`)).toBe(4152);
    expect(samples.get(`litestream_sync_count${ofDb}`)).toBe(7);
    expect(samples.get(`litestream_replica_wal_index${ofReplica}`)).toBe(2);
    expect(samples.get(`litestream_replica_wal_offset${ofReplica}`)).toBe(4152);
    expect(samples.get(`litestream_replica_lag_seconds${ofReplica}`)).toBe(0);
    expect(samples.get(`litestream_replica_lag_bytes${ofReplica}`)).toBe(0);
    expect(samples.get(`litestream_replica_last_sync_timestamp_seconds${ofReplica}`)).toBe(1_700_000_000);
  });

  test("begins each counter at 0, for every value that its labels can have", async () => {
    using observation = observe(new FakeDatabase());
    const samples = await samplesOf(observation.registry);
    const zeros = [
      ...["PASSIVE", "RESTART"].flatMap((mode) =>
        ["count", "error_count", "seconds"].map((what) => `checkpoint_${what}{db="${dbPath}",mode="${mode}"}`),
      ),
      ...["ok", "error", "incomplete"].map(
        (status) => `replica_validation_total{db="${dbPath}",name="file",status="${status}"}`,
      ),
      ...generationReasons.map((reason) => `generation_total{db="${dbPath}",reason="${reason}"}`),
      ...["PUT", "GET", "LIST", "DELETE"].map(
        (operation) => `replica_operation_total{replica_type="file",operation="${operation}"}`,
      ),
      `total_wal_bytes${ofDb}`,
      `sync_error_count${ofDb}`,
      `replica_wal_bytes${ofReplica}`,
      `replica_sync_error_total${ofReplica}`,
      `disk_full${ofDb}`,
      `long_reader_seconds${ofDb}`,
    ];
    expect(zeros.filter((name) => samples.get(`litestream_${name}`) !== 0)).toEqual([]);
  });

  test("counts what events tell", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    database.emit({ type: "sync", position, frames: 1, bytes: 4120, durationMs: 250 });
    database.emit({ type: "sync", position, frames: 2, bytes: 8240, durationMs: 250 });
    database.emit(checkpoint);
    database.emit({ ...checkpoint, mode: "FORCED", complete: false, error: new Error("no"), writeLockMs: 0 });
    database.emit({ type: "replica-sync", replica: "file", position, bytes: 4120, asOfMs: 0, durationMs: 1 });
    database.emit({ type: "error", operation: "sync", error: new Error("no") });
    database.emit({ type: "error", operation: "replica sync", replica: "file", error: new Error("no") });
    database.emit({ type: "generation", generation: position.generation, reason: "read lock lost" });
    const samples = await samplesOf(observation.registry);
    const expected = {
      [`total_wal_bytes${ofDb}`]: 12_360,
      [`sync_seconds${ofDb}`]: 0.5,
      [`sync_error_count${ofDb}`]: 1,
      [`checkpoint_count{db="${dbPath}",mode="PASSIVE"}`]: 1,
      [`checkpoint_seconds{db="${dbPath}",mode="PASSIVE"}`]: 0.5,
      [`checkpoint_error_count{db="${dbPath}",mode="PASSIVE"}`]: 0,
      [`checkpoint_count{db="${dbPath}",mode="RESTART"}`]: 1,
      [`checkpoint_error_count{db="${dbPath}",mode="RESTART"}`]: 1,
      [`replica_wal_bytes${ofReplica}`]: 4120,
      [`replica_sync_error_total${ofReplica}`]: 1,
      [`generation_total{db="${dbPath}",reason="read lock lost"}`]: 1,
      [`write_lock_seconds_count${ofDb}`]: 1,
      [`write_lock_seconds_bucket{le="0.001",db="${dbPath}"}`]: 0,
      [`write_lock_seconds_bucket{le="0.0025",db="${dbPath}"}`]: 1,
    };
    expect(
      Object.fromEntries(Object.keys(expected).map((name) => [name, samples.get(`litestream_${name}`)] as const)),
    ).toEqual(expected);
  });

  test("counts a replica that differs as Litestream's error, and remembers the last one that was valid", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    database.emit({ ...validation, status: "ok", endedAtMs: Date.now() - 60_000 });
    database.emit({ ...validation, status: "mismatch", endedAtMs: Date.now() });
    database.emit({ ...validation, status: "error", endedAtMs: Date.now() });
    const samples = await samplesOf(observation.registry);
    const total = (status: string): number | undefined =>
      samples.get(`litestream_replica_validation_total{db="${dbPath}",name="file",status="${status}"}`);
    expect([total("ok"), total("error"), total("incomplete")]).toEqual([1, 1, 1]);
    const age = samples.get(`litestream_replica_validation_age_seconds${ofReplica}`);
    expect(age).toBeGreaterThanOrEqual(60);
    expect(age).toBeLessThan(90);
  });

  test("counts requests to stores by their kind, and their errors by code", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    const request = { type: "replica-operation", replica: "s3", replicaType: "s3", durationMs: 20 } as const;
    database.emit({ ...request, operation: "PUT", bytes: 100 });
    database.emit({ ...request, operation: "PUT", bytes: 50, error: new LitestreamError("REPLICA_UNAVAILABLE", "no") });
    database.emit({ ...request, operation: "GET", bytes: 0, error: new Error('odd } " codes') });
    database.emit({
      ...request,
      operation: "GET",
      bytes: 0,
      error: new LitestreamError("OBJECT_MISSING", "not there"),
    });
    const samples = await samplesOf(observation.registry);
    const put = '{replica_type="s3",operation="PUT"}';
    expect(samples.get(`litestream_replica_operation_total${put}`)).toBe(2);
    expect(samples.get(`litestream_replica_operation_bytes${put}`)).toBe(150);
    expect(samples.get(`litestream_replica_operation_duration_seconds_count${put}`)).toBe(2);
    const errors = (operation: string, code: string): number | undefined =>
      samples.get(
        `litestream_replica_operation_errors_total{replica_type="s3",operation="${operation}",code="${code}"}`,
      );
    expect(errors("PUT", "REPLICA_UNAVAILABLE")).toBe(1);
    expect(errors("GET", "unknown")).toBe(1);
    expect(errors("GET", "OBJECT_MISSING")).toBeUndefined();
  });

  test("says that a disk is full until something could be written again", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    const isFull = async (): Promise<number | undefined> =>
      (await samplesOf(observation.registry)).get(`litestream_disk_full${ofDb}`);
    database.emit({ type: "disk-full", isFull: true });
    database.emit({ type: "disk-full", isFull: true, replica: "file" });
    expect(await isFull()).toBe(1);
    database.emit({ type: "disk-full", isFull: false });
    expect(await isFull()).toBe(1);
    database.emit({ type: "disk-full", isFull: false, replica: "file" });
    expect(await isFull()).toBe(0);
  });

  test("tells how old a transaction is that keeps the WAL from being restarted, until it ends", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    const age = async (): Promise<number | undefined> =>
      (await samplesOf(observation.registry)).get(`litestream_long_reader_seconds${ofDb}`);
    const reader = { type: "long-reader", mark: 7, ageMs: 60_000, walSizeBytes: 1e6 } as const;
    expect(await age()).toBe(0);
    database.emit({ ...reader, isOver: false });
    expect(await age()).toBeGreaterThanOrEqual(60);
    database.emit({ ...reader, isOver: true });
    expect(await age()).toBe(0);
    database.emit({ ...reader, isOver: false });
    database.emit({ type: "stopped" });
    expect(await age()).toBe(0);
  });

  test("lag grows while nothing is heard, so that an alert goes off", async () => {
    const database = new FakeDatabase();
    database.answer = () => Promise.reject(new Error("the engine is gone"));
    using observation = observe(database);
    const asOfMs = Date.now() - 5000;
    database.emit({ type: "sync", position, frames: 1, bytes: 4120, durationMs: 1 });
    database.emit({ type: "replica-sync", replica: "file", position, bytes: 1, asOfMs, durationMs: 1 });
    const lag = async (): Promise<number | undefined> =>
      (await samplesOf(observation.registry)).get(`litestream_replica_lag_seconds${ofReplica}`);
    expect(await lag()).toBe(0);
    database.emit({ type: "error", operation: "sync", error: new Error("the disk is on fire") });
    expect(await lag()).toBeGreaterThanOrEqual(5);
    database.emit({
      type: "sync",
      position: { ...position, offset: position.offset + 4120 },
      frames: 1,
      bytes: 4120,
      durationMs: 1,
    });
    expect(await lag()).toBeGreaterThanOrEqual(5);
  });

  test("a replica that never was reached lags since it is observed", async () => {
    const database = new FakeDatabase();
    database.answer = async () =>
      databaseStatus({ replicas: [replicaStatus({ position: undefined, asOfMs: undefined, lagMs: undefined })] });
    using observation = observe(database);
    await Bun.sleep(20);
    const samples = await samplesOf(observation.registry);
    expect(samples.get(`litestream_replica_lag_seconds${ofReplica}`)).toBeGreaterThanOrEqual(0.02);
  });

  test("a database that does not answer keeps no scrape from the others", async () => {
    const silent = new FakeDatabase({ path: "/data/silent.db" });
    silent.answer = () => new Promise<DatabaseStatus>(() => undefined);
    using observation = observe([silent, new FakeDatabase()]);
    const samples = await samplesOf(observation.registry);
    expect(samples.get(`litestream_db_size${ofDb}`)).toBe(8192);
    expect(samples.get('litestream_sync_count{db="/data/silent.db"}')).toBe(0);
  });

  test("asks each database once for a scrape, however many metrics there are", async () => {
    const database = new FakeDatabase();
    using observation = observe(database);
    await observation.registry.metrics();
    expect(database.questions).toBe(1);
  });

  test("shares the application's registry, by all databases that are observed in it", async () => {
    const registry = new Registry();
    const own = new Counter({ name: "orders_total", help: "Orders", registers: [registry] });
    own.inc(3);
    const first = observe(new FakeDatabase({ path: "/data/a.db" }), { registry });
    const second = observe(new FakeDatabase({ path: "/data/b.db" }), { registry });
    const size = (samples: Map<string, number>, db: string): number | undefined =>
      samples.get(`litestream_db_size{db="/data/${db}.db"}`);
    const both = await samplesOf(registry);
    expect([both.get("orders_total"), size(both, "a"), size(both, "b")]).toEqual([3, 8192, 8192]);
    first[Symbol.dispose]();
    const left = await samplesOf(registry);
    expect([left.get("orders_total"), size(left, "a"), size(left, "b")]).toEqual([3, undefined, 8192]);
    second[Symbol.dispose]();
  });

  test("serves the names of 0.3.4 besides, where they are asked for", async () => {
    const registry = new Registry();
    using _first = observe(new FakeDatabase(), { registry, namesOf034: true });
    using _second = observe(new FakeDatabase({ path: "/data/b.db" }), { registry, namesOf034: true });
    const samples = await samplesOf(registry);
    expect(samples.get(`litestream_db_db_size${ofDb}`)).toBe(8192);
    expect(samples.get(`litestream_db_sync_count${ofDb}`)).toBe(7);
    expect(samples.get(`litestream_db_checkpoint_count{db="${dbPath}",mode="PASSIVE"}`)).toBe(0);
    expect(samples.get(`litestream_db_size${ofDb}`)).toBe(8192);
  });

  test("every metric has a name, a help text and labels of its own kind", () => {
    const names = Object.values(metricDefinitions).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, help } of Object.values(metricDefinitions)) {
      expect(name).toMatch(/^litestream_[a-z_]+$/);
      expect(help).not.toBe("");
    }
  });

  test("tells of a real run where its WAL ends, in the shadow WAL and in the replica", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    await using writer = await spawnWriter({ path, seed: 1, transactions: 20, whenDone: "hold" });
    await writer.waitUntilDone();
    await using litestream = new Litestream({
      path,
      replicas: [{ path: folder.join("replica") }],
      monitorEnabled: false,
    });
    using observation = observe(litestream);
    await litestream.start();
    const { index, offset } = await litestream.sync();
    const samples = parseSamples(await observation.registry.metrics());
    const of = (name: string, labels = `{db="${path}"}`): number | undefined =>
      samples.get(`litestream_${name}${labels}`);
    const labels = `{db="${path}",name="file"}`;
    expect([of("shadow_wal_index"), of("shadow_wal_size"), of("total_wal_bytes")]).toEqual([index, offset, offset]);
    expect([of("replica_wal_index", labels), of("replica_wal_offset", labels)]).toEqual([index, offset]);
    expect([of("replica_lag_seconds", labels), of("replica_lag_bytes", labels)]).toEqual([0, 0]);
    // They are listed in the background.
    const snapshots = async (): Promise<number | undefined> =>
      (await samplesOf(observation.registry)).get(`litestream_replica_snapshot_total${labels}`);
    while ((await snapshots()) === undefined) await Bun.sleep(5);
    expect(await snapshots()).toBe(1);
    const now = await samplesOf(observation.registry);
    const fromSeconds = now.get(`litestream_replica_restorable_from_timestamp_seconds${labels}`) ?? 0;
    expect(Math.abs(fromSeconds - Date.now() / 1000)).toBeLessThan(30);
    expect(now.get(`litestream_replica_restorable_window_seconds${labels}`)).toBeGreaterThanOrEqual(0);
    expect(of("generation_total", `{db="${path}",reason="no generation exists"}`)).toBe(1);
  });
});

describe("metricsObserver", () => {
  test("keeps what events alone can tell", async () => {
    const registry = new Registry();
    const onEvent = metricsObserver(registry);
    onEvent({ db: dbPath, type: "sync", position, frames: 1, bytes: 4120, durationMs: 250 });
    onEvent({ db: dbPath, type: "replica-sync", replica: "file", position, bytes: 4120, asOfMs: 5000, durationMs: 1 });
    const samples = await samplesOf(registry);
    expect(samples.get(`litestream_total_wal_bytes${ofDb}`)).toBe(4120);
    expect(samples.get(`litestream_shadow_wal_index${ofDb}`)).toBe(2);
    expect(samples.get(`litestream_replica_lag_seconds${ofReplica}`)).toBe(0);
    expect(samples.get(`litestream_replica_last_sync_timestamp_seconds${ofReplica}`)).toBe(5);
    expect(samples.has(`litestream_db_size${ofDb}`)).toBe(false);
  });
});
