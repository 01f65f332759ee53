import { describe, expect, test } from "bun:test";
import { integrityCheck, rowsDigest, type StoreFault, StoreFaults, tempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { openReplica } from "../../src/open-replica.ts";
import { formatWalIndex, type Position, walIndex } from "../../src/position.ts";
import { SegmentsReplica } from "../../src/replica/segments-replica.ts";
import { writerLeaseKey } from "../../src/replica/writer-lease.ts";
import type { ReplicaOptions } from "../../src/replica-options.ts";
import { restore } from "../../src/restore/restore.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { registerStore } from "../../src/store/registry.ts";
import { failureOf } from "../bytes.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

/** Stores by the host of their URL: one that outlives the replicas that use it, as a bucket does. */
const stores = new Map<string, MemoryStore>();
let storeCount = 0;
registerStore("memory", (url) => {
  const store = stores.get(url);
  if (store === undefined) throw new Error(`no store at ${url}`);
  return store;
});

interface Setup extends AsyncDisposable {
  readonly path: string;
  readonly db: Db;
  readonly memory: MemoryStore;
  readonly faults: StoreFaults<MemoryStore>;
  readonly replica: SegmentsReplica;
  readonly events: LitestreamEventBody[];
  /** Keys below the only generation, without side files. */
  keys(): Promise<string[]>;
  allKeys(): Promise<string[]>;
  /** Another life: same database, same store, nothing known. */
  reopen(): SegmentsReplica;
  commit(): Promise<void>;
  expectRestores(): Promise<void>;
}

/** A database and its replica, without loops; disposal syncs, restores and compares every row. */
async function setUp(options: { faults?: StoreFault[]; checkpoint?: boolean } = {}): Promise<Setup> {
  const folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const events: LitestreamEventBody[] = [];
  const emit = (event: LitestreamEventBody): void => void events.push(event);
  const checkpoint = {
    minPageCount: options.checkpoint === true ? 1 : 1e9,
    maxPageCount: 0,
    intervalMs: 0,
    retryMs: 1000,
    forcedRetryMs: 10_000,
  };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, emit);
  db.open();
  const memory = new MemoryStore("memory://test");
  const faults = new StoreFaults(memory, options.faults ?? []);
  const url = `memory://${++storeCount}`;
  stores.set(url, faults.store);
  const replicaOptions: ReplicaOptions = { type: "url", url };
  const newReplica = (): SegmentsReplica => new SegmentsReplica(db, replicaOptions, false, emit);
  let replica = newReplica();
  const prefix = (): string => `generations/${db.captured()?.position.generation}/`;
  const allKeys = async (): Promise<string[]> => (await memory.list("")).map(({ key }) => key);
  const expectRestores = async (): Promise<void> => {
    await using restored = await tempFolder();
    const outputPath = restored.join("out.db");
    await restore({ replica: openReplica(replicaOptions), outputPath });
    expect(integrityCheck(outputPath)).toBe("ok");
    expect(rowsDigest(outputPath)).toBe(rowsDigest(path));
  };
  return {
    path,
    db,
    memory,
    faults,
    get replica() {
      return replica;
    },
    events,
    allKeys,
    keys: async () =>
      (await allKeys())
        .filter((key) => key.startsWith(prefix()) && !key.includes("/times/"))
        .map((key) => key.slice(prefix().length)),
    reopen: () => (replica = newReplica()),
    async commit() {
      await commitElsewhere(path);
      db.sync();
    },
    expectRestores,
    async [Symbol.asyncDispose]() {
      db.sync();
      await replica.sync();
      await replica.settled();
      await expectRestores();
      db.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const snapshot0 = "snapshots/00000000.snapshot.lz4";

function segment({ index, offset }: { index: number; offset: number }): string {
  return `wal/${formatWalIndex(walIndex(index))}_${offset.toString(16).padStart(8, "0")}.wal.lz4`;
}

describe("SegmentsReplica.sync", () => {
  test("stores a snapshot, and the WAL in segments that each begin where the one before ended", async () => {
    await using setup = await setUp();
    const ends: Position[] = [await setup.replica.sync()];
    for (let at = 0; at < 3; at++) {
      await setup.commit();
      ends.push(await setup.replica.sync());
    }
    const [first, second, third] = ends;
    if (first === undefined || second === undefined || third === undefined) throw new Error("unreachable");
    const expected = [snapshot0, segment({ index: 0, offset: 0 }), segment(first), segment(second), segment(third)];
    expect(await setup.keys()).toEqual(expected);
    expect(setup.replica).toMatchObject({ name: "memory", type: "memory", location: "memory://test" });
  });

  test("shows a snapshot only once the WAL that makes it exact, and where it ends, are there", async () => {
    const seen: string[][] = [];
    await using setup = await setUp();
    const { memory } = setup;
    const put = memory.put.bind(memory);
    memory.put = async (...given) => {
      const stored = await put(...given);
      seen.push(await setup.keys());
      return stored;
    };
    await setup.replica.sync();
    expect(seen.findIndex((keys) => keys.includes(snapshot0))).toBe(seen.length - 1);
    expect(await setup.allKeys()).toContain(
      `generations/${setup.db.captured()?.position.generation}/times/00000000.snapshot`,
    );
  });

  test("sends nothing while nothing has changed", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    const before = setup.faults.operations().length;
    for (let at = 0; at < 5; at++) await setup.replica.sync();
    expect(setup.faults.operations()).toHaveLength(before);
  });

  test("notes where each WAL ended that another one follows", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    for (let at = 0; at < 3; at++) {
      await setup.commit();
      await setup.commit();
      await setup.replica.sync();
    }
    const { generation, index } = await setup.replica.sync();
    expect(index).toBeGreaterThan(0);
    const sideFiles = (await setup.replica.sideFiles.list()).filter(({ kind }) => kind === "wal");
    expect(sideFiles.map((info) => info.index)).toEqual(Array.from({ length: index }, (_, at) => walIndex(at)));
    for (const info of sideFiles) {
      expect((await setup.replica.sideFiles.walPoints(info, "all"))?.sealed).toMatchObject({
        offset: expect.any(Number) as number,
      });
    }
    expect(await setup.replica.calcPos(generation)).toEqual(await setup.replica.sync());
  });

  test("goes on in the same generation in another life, from what it reads back", async () => {
    await using setup = await setUp();
    await setup.commit();
    const before = await setup.replica.sync();
    setup.reopen();
    await setup.commit();
    const after = await setup.replica.sync();
    expect(after.generation).toBe(before.generation);
    expect(after.offset).toBeGreaterThan(before.offset);
    expect(await setup.keys()).toContain(segment(before));
  });

  test.each(["damaged", "missing in between", "missing at the beginning"])(
    "begins a generation in another life when a segment is %s",
    async (what) => {
      await using setup = await setUp();
      for (let at = 0; at < 3; at++) {
        await setup.commit();
        await setup.replica.sync();
      }
      const { generation } = await setup.replica.sync();
      const segments = (await setup.memory.list(`generations/${generation}/wal/`)).map(({ key }) => key);
      const key = segments[what === "missing in between" ? 1 : 0] ?? "";
      if (what === "damaged") await setup.memory.put(key, chunk(new Uint8Array(40).fill(7)));
      else await setup.memory.delete([key]);
      setup.reopen();
      expect((await setup.replica.sync()).generation).not.toBe(generation);
    },
  );
});

async function* chunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe("SegmentsReplica after a failed write", () => {
  const error = new Error("the network is away");

  test.each(["before", "after"] as const)(
    "repeats a segment as it was, though more was captured, when the write failed %s it was done",
    async (when) => {
      const fault: StoreFault = { on: "put", keys: /\/wal\//, nth: 2, effect: "fail", error, when };
      await using setup = await setUp({ faults: [fault] });
      const before = await setup.replica.sync();
      await setup.commit();
      expect(await failureOf(() => setup.replica.sync())).toBe(error);
      const begun = setup.db.captured()?.position;
      await setup.commit();
      const after = await setup.replica.sync();
      if (begun === undefined) throw new Error("nothing is captured");
      // Had it been made longer, the first write, coming late, would put the shorter one in its place.
      expect(await setup.keys()).toEqual([
        snapshot0,
        segment({ index: 0, offset: 0 }),
        segment(before),
        segment(begun),
      ]);
      expect(after).toEqual(setup.db.captured()?.position as never);
    },
  );

  test.each(["snapshots/", "times/", "wal/"])(
    "shows no snapshot when writing to %s fails, and takes another",
    async (keys) => {
      const fault: StoreFault = { on: "put", keys: new RegExp(keys), effect: "fail", error };
      await using setup = await setUp({ faults: [fault] });
      expect(await failureOf(() => setup.replica.sync())).toBe(error);
      expect((await setup.keys()).filter((key) => key.startsWith("snapshots/"))).toEqual([]);
      await setup.replica.sync();
      expect(await setup.keys()).toContain(snapshot0);
    },
  );

  test("reads nothing back in the life that wrote it", async () => {
    const fault: StoreFault = { on: "put", keys: /\/wal\//, nth: 3, times: 2, effect: "fail", error };
    await using setup = await setUp({ faults: [fault] });
    await setup.replica.sync();
    for (let at = 0; at < 2; at++) await setup.commit();
    await setup.replica.sync();
    await setup.commit();
    for (let at = 0; at < 2; at++) expect(await failureOf(() => setup.replica.sync())).toBe(error);
    await setup.replica.sync();
    expect(setup.faults.operations("read")).toEqual([]);
  });

  test("goes on after a list that failed, and after one that failed at the start", async () => {
    await using setup = await setUp({ faults: [{ on: "list", effect: "fail", error }] });
    expect(await failureOf(() => setup.replica.sync())).toBe(error);
    await setup.replica.sync();
    setup.faults.add({ on: "list", effect: "fail", error });
    setup.reopen();
    await setup.replica.start();
    expect(await failureOf(() => setup.replica.sync())).toBe(error);
    await setup.commit();
    await setup.replica.sync();
  });
});

describe("SegmentsReplica with a lease", () => {
  const hostile = new TextEncoder().encode(
    JSON.stringify({
      generation: 7,
      expires_at: "2999-01-01T00:00:00Z",
      owner: "elsewhere:1",
      since: "2026-01-01T00:00:00Z",
    }),
  );

  test("does not write what another machine writes, says who that is, and goes on when it is over", async () => {
    await using setup = await setUp();
    await setup.memory.put(writerLeaseKey, chunk(hostile));
    expect(await failureOf(() => setup.replica.sync())).toMatchObject({
      code: "REPLICA_IN_USE",
      message: "memory://test is written by elsewhere:1, since 2026-01-01T00:00:00.000Z",
    });
    expect(await setup.allKeys()).toEqual([writerLeaseKey]);
    await setup.memory.delete([writerLeaseKey]);
    await setup.replica.sync();
  });

  test("goes on after it let others in, and nobody came", async () => {
    await using setup = await setUp();
    const before = await setup.replica.sync();
    await setup.replica.settled();
    await setup.commit();
    expect((await setup.replica.sync()).generation).toBe(before.generation);
    expect(setup.faults.operations("read")).toEqual([]);
  });

  test("lets another machine in when it ends", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    await setup.replica.settled();
    const lease = await setup.memory.conditional.get(writerLeaseKey);
    const { expires_at: expiresAt } = JSON.parse(Buffer.from(lease?.bytes ?? []).toString()) as { expires_at: string };
    expect(Date.parse(expiresAt)).toBeLessThanOrEqual(Date.now());
  });
});

test("a replica of segments in a folder refuses one that is not mounted, and takes no store for one", async () => {
  await using setup = await setUp();
  const replicaAt = (options: ReplicaOptions): SegmentsReplica =>
    new SegmentsReplica(setup.db, options, false, () => undefined);
  expect(() => replicaAt({ path: `${setup.path}-no/such/folder`, layout: "segments" }).check()).toThrow(
    "does not exist",
  );
  replicaAt({ path: `${setup.path}-replica`, layout: "segments" }).check();
  setup.replica.check();
});
