/**
 * What the engine may do with files, counted: a guard against work that creeps in, which no clock would see on a busy
 * machine. A change that needs more says so here.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { SeededRandom, tempFolder, type TempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import { frameSizeBytes } from "../../src/wal/header.ts";
import { countOperations, syncsIn } from "./operations.ts";

const pageSize = 4096;
const frameBytes = frameSizeBytes(pageSize);
const never = { minPageCount: 1e9, maxPageCount: 0, intervalMs: 0, retryMs: 0, forcedRetryMs: 0 };

/** A database under replication, with a writer whose transactions change ten pages each. */
class Scene implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly db: Db;
  readonly replica: FileReplica;
  readonly writer: Database;
  readonly events: LitestreamEventBody[] = [];
  readonly #random = new SeededRandom(1);

  private constructor(folder: TempFolder, minPageCount: number) {
    this.folder = folder;
    const path = folder.join("app.db");
    this.writer = new Database(path);
    this.writer.run(`PRAGMA page_size = ${pageSize}`);
    this.writer.run("PRAGMA journal_mode = wal");
    this.writer.run("PRAGMA wal_autocheckpoint = 0");
    this.writer.run("CREATE TABLE t (id INTEGER PRIMARY KEY, content BLOB)");
    const emit = (event: LitestreamEventBody): void => void this.events.push(event);
    const checkpoint = { ...never, minPageCount };
    this.db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, emit);
    this.replica = new FileReplica(this.db, { path: folder.join("replica"), monitorEnabled: false }, emit);
  }

  static async start(options: { readonly minPageCount?: number; readonly rows?: number } = {}): Promise<Scene> {
    const scene = new Scene(await tempFolder(), options.minPageCount ?? never.minPageCount);
    for (let row = 0; row < (options.rows ?? 20); row++) scene.write(row);
    scene.writer.run("PRAGMA wal_checkpoint(TRUNCATE)");
    scene.db.open();
    await scene.replica.start();
    return scene;
  }

  /** @returns frames that the transaction added to the WAL */
  write(row: number): number {
    const before = this.#walFrames();
    const content = new Uint8Array(9 * pageSize);
    this.#random.fill(content);
    this.writer.run("INSERT OR REPLACE INTO t VALUES (?, ?)", [row, content]);
    return this.#walFrames() - before;
  }

  count(work: () => unknown): ReturnType<typeof countOperations> {
    return countOperations(this.folder.path, work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.replica.stop();
    this.db.close();
    this.writer.close();
    await this.folder[Symbol.asyncDispose]();
  }

  #walFrames(): number {
    const wal = Bun.file(`${this.folder.join("app.db")}-wal`);
    return Math.max(0, Math.floor((wal.size - 32) / frameBytes));
  }
}

test("capture of a transaction reads the WAL once and writes its frames once, with no flush", async () => {
  await using scene = await Scene.start();
  scene.write(1);
  scene.db.sync();
  const frames = scene.write(2);
  expect(await scene.count(() => scene.db.sync())).toEqual({
    "open wal": 1,
    "read wal": 1,
    "write shadow wal": 1,
    "bytes to shadow wal": frames * frameBytes,
  });
});

test("a look that finds nothing does nothing with files", async () => {
  await using scene = await Scene.start();
  scene.write(1);
  scene.db.sync();
  expect(await scene.count(() => scene.db.needsSync())).toEqual({});
  expect(await scene.count(() => scene.db.sync())).toEqual({});
});

test("replication of a transaction reads the shadow WAL once, and writes and flushes the replica's once", async () => {
  await using scene = await Scene.start();
  for (let row = 1; row < 3; row++) {
    scene.write(row);
    scene.db.sync();
    await scene.replica.sync();
  }
  const frames = scene.write(3);
  scene.db.sync();
  expect(await scene.count(() => scene.replica.sync())).toEqual({
    "open shadow wal": 1,
    "read shadow wal": 1,
    "open replica wal": 1,
    "write replica wal": 1,
    "bytes to replica wal": frames * frameBytes,
    "sync replica wal": 1,
    "open points": 1,
    "write points": 1,
    "bytes to points": 32,
  });
});

test("many transactions that are captured at once cost what one does, but for the bytes", async () => {
  await using scene = await Scene.start();
  scene.write(1);
  scene.db.sync();
  await scene.replica.sync();
  let frames = 0;
  for (let row = 0; row < 20; row++) frames += scene.write(row);
  const operations = await scene.count(async () => {
    scene.db.sync();
    await scene.replica.sync();
  });
  expect(operations).toMatchObject({
    "read wal": 1,
    "write shadow wal": 1,
    "write replica wal": 1,
    "bytes to replica wal": frames * frameBytes,
  });
  expect(syncsIn(operations)).toBe(1);
});

test("a checkpoint flushes WAL and database once each, and the shadow WAL when the next begins", async () => {
  await using scene = await Scene.start({ minPageCount: 50 });
  for (let row = 0; row < 4; row++) {
    scene.write(row);
    scene.db.sync();
  }
  let frames = 0;
  for (let row = 4; row < 8; row++) frames += scene.write(row);
  const operations = await scene.count(() => scene.db.sync());
  expect(scene.events.at(-1)).toMatchObject({ type: "checkpoint", complete: true });
  expect(operations).toMatchObject({ "sync wal": 1, "sync database": 1, "bytes to shadow wal": frames * frameBytes });
  expect(syncsIn(operations)).toBe(2);
  scene.write(9);
  const begun = await scene.count(() => scene.db.sync());
  const next = scene.events.findLast((event) => event.type === "sync");
  expect(begun).toEqual({
    "open wal": 1,
    "read wal": 2,
    "sync shadow wal": 1,
    "create shadow wal": 1,
    "sync folder meta folder": 1,
    "truncate shadow wal": 1,
    "write shadow wal": 2,
    "bytes to shadow wal": 32 + (next?.frames ?? 0) * frameBytes,
  });
});

test("a snapshot reads the database once, a megabyte at a time, and flushes what it wrote", async () => {
  await using scene = await Scene.start({ rows: 100 });
  const sizeBytes = scene.db.sizeBytes();
  const operations = await scene.count(() => scene.replica.sync());
  expect(operations["read database"]).toBe(Math.ceil(sizeBytes / 2 ** 20) + 1);
  expect(operations).toMatchObject({ "sync snapshot": 1, "rename snapshot": 1 });
  const stored = scene.events.find((event) => event.type === "snapshot");
  expect(operations["bytes to snapshot"]).toBe(stored?.sizeBytes ?? 0);
  // Its side file, and each folder that came to be.
  expect(syncsIn(operations)).toBe(12);
});

test("a superseded WAL is read twice, to prove and to compress it, and flushed once", async () => {
  await using scene = await Scene.start({ minPageCount: 50 });
  for (let row = 0; row < 12; row++) {
    scene.write(row);
    scene.db.sync();
    await scene.replica.sync();
  }
  await scene.replica.settled();
  const compressed = (): number => scene.events.filter((event) => event.type === "wal-compressed").length;
  const before = compressed();
  for (let row = 0; row < 6; row++) scene.write(row);
  scene.db.sync();
  await scene.replica.sync();
  scene.write(7);
  scene.db.sync();
  const operations = await scene.count(async () => {
    await scene.replica.sync();
    await scene.replica.settled();
  });
  expect(compressed()).toBe(before + 1);
  // Each time to its end, and once more to find that it is the end.
  expect(operations).toMatchObject({ "read replica wal": 4, "sync compressed wal": 1, "rename compressed wal": 1 });
  // The new WAL, the side file of the old one and its last form, each with its folder.
  expect(syncsIn(operations)).toBe(8);
});
