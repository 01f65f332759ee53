import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { committedPrefix, rowsDigest, schemaOf, spawnWriter, tempFolder, type TempFolder } from "@litestream/testkit";
import {
  comparePositions,
  type LitestreamEvent,
  Litestream,
  type LitestreamOptions,
  openReplica,
  parseGeneration,
  restore,
} from "../src/index.ts";
import { failureOf } from "./bytes.ts";
import { commitElsewhere, databaseIn, makeDatabase, sqlElsewhere, transactionsElsewhere } from "./child.ts";

// Each has processes of its own, and a busy machine takes its time.
setDefaultTimeout(60_000);

/** Events of a Litestream, and a promise of the next one of a kind. */
class Events {
  readonly seen: LitestreamEvent[] = [];
  readonly #waiting = new Set<{ isIt: (event: LitestreamEvent) => boolean; resolve: () => void }>();

  readonly take = (event: LitestreamEvent): void => {
    this.seen.push(event);
    for (const waiter of this.#waiting) {
      if (!waiter.isIt(event)) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  };

  /** Resolves with the first event that satisfies `isIt`, of those seen from number `from` on or to come. */
  async first(isIt: (event: LitestreamEvent) => boolean, from = 0): Promise<void> {
    if (this.seen.slice(from).some(isIt)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add({ isIt, resolve });
    await promise;
  }
}

function litestreamIn(
  folder: TempFolder,
  options: Partial<LitestreamOptions> = {},
): { litestream: Litestream; events: Events } {
  const events = new Events();
  const litestream = new Litestream({
    path: folder.join("app.db"),
    replicas: [{ path: folder.join("replica") }],
    onEvent: events.take,
    ...options,
  });
  return { litestream, events };
}

async function restored(folder: TempFolder, replica = "replica"): Promise<string> {
  const outputPath = folder.join(`${replica}-${crypto.randomUUID()}.db`);
  await restore({ replica: openReplica({ path: folder.join(replica) }), outputPath });
  return outputPath;
}

describe("Litestream", () => {
  test("replicates by itself what a writer process commits, in any number of replicas", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    await using writer = await spawnWriter({ path, seed: 1, transactions: 300, rate: 1000 });
    await writer.waitFor(1);
    const schema = schemaOf(path);
    const replicas = ["a", "b"].map((name) => ({ name, path: folder.join(name) }));
    const { litestream, events } = litestreamIn(folder, { replicas, minCheckpointPageCount: 50 });
    await litestream.start();
    await writer.waitUntilDone();
    for (const replica of ["a", "b"]) {
      const isSync = (event: LitestreamEvent): boolean => event.type === "replica-sync" && event.replica === replica;
      await events.first(isSync);
      for (let committed = 0; committed < 300;) {
        const seen = events.seen.length;
        committed = committedPrefix(await restored(folder, replica));
        if (committed < 300) await events.first(isSync, seen);
      }
    }
    const position = await litestream.stop();
    expect(events.seen.findLast(({ type }) => type === "replica-sync")).toHaveProperty("position", position);
    for (const replica of ["a", "b"]) expect(committedPrefix(await restored(folder, replica))).toBe(300);
    expect(events.seen.filter(({ type }) => type === "error")).toEqual([]);
    expect(schemaOf(path)).toEqual(schema);
  });

  test("resolves `sync` with a position that every replica has", async () => {
    await using folder = await tempFolder();
    await makeDatabase(folder.join("app.db"));
    const { litestream } = litestreamIn(folder, { monitorEnabled: false });
    await using _running = litestream;
    await litestream.start();
    for (let i = 0; i < 3; i++) {
      await commitElsewhere(folder.join("app.db"));
      const position = await litestream.sync();
      const { replicas } = await litestream.status();
      expect(replicas.map((replica) => replica.position)).toEqual([position]);
      expect(rowsDigest(await restored(folder))).toBe(rowsDigest(folder.join("app.db")));
    }
  });

  test("resolves `sync` under load with a position that no replica is behind", async () => {
    await using folder = await tempFolder();
    await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 1, rate: 100 });
    await writer.waitFor(1);
    const replicas = ["a", "b"].map((name) => ({ name, path: folder.join(name) }));
    const { litestream } = litestreamIn(folder, { replicas, minCheckpointPageCount: 50 });
    await using _running = litestream;
    await litestream.start();
    for (let i = 0; i < 20; i++) {
      const acknowledged = writer.lastAcknowledged();
      const position = await litestream.sync();
      for (const { position: held } of (await litestream.status()).replicas) {
        expect(held === undefined ? -1 : comparePositions(held, position)).toBeGreaterThanOrEqual(0);
      }
      if (i === 19) expect(committedPrefix(await restored(folder, "b"))).toBeGreaterThanOrEqual(acknowledged);
    }
    await writer.stop();
  }, 60_000);

  test("`waitFor` resolves once every replica holds the position, and refuses one of another run", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const { litestream } = litestreamIn(folder);
    await using _running = litestream;
    await litestream.start();
    const first = await litestream.sync();
    await litestream.waitFor(first);
    await commitElsewhere(path);
    const next = { ...first, offset: first.offset + 4096 + 24 };
    await litestream.waitFor(next);
    const [replica] = (await litestream.status()).replicas;
    expect(comparePositions(replica?.position ?? first, next)).toBeGreaterThanOrEqual(0);
    const elsewhere = { ...first, generation: parseGeneration("0123456789abcdef") };
    expect(await failureOf(() => litestream.waitFor(elsewhere))).toHaveProperty("code", "NO_SUCH_POINT");
    const never = failureOf(() => litestream.waitFor({ ...next, offset: 1e9 }));
    await litestream.stop();
    expect(await never).toHaveProperty("code", "ABORTED");
  });

  test("stops waiting once its signal is given, and what was begun goes on", async () => {
    await using folder = await tempFolder();
    await makeDatabase(folder.join("app.db"));
    const { litestream } = litestreamIn(folder, { monitorEnabled: false });
    await using _running = litestream;
    await litestream.start();
    const aborted = AbortSignal.abort(new Error("no time"));
    expect(await failureOf(() => litestream.sync({ signal: aborted }))).toMatchObject({
      code: "ABORTED",
      cause: { message: "no time" },
    });
    const position = await litestream.sync();
    expect(await failureOf(() => litestream.waitFor({ ...position, offset: 1e9 }, { signal: aborted }))).toHaveProperty(
      "code",
      "ABORTED",
    );
  });

  test("tells how the database and its replicas stand", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const { litestream } = litestreamIn(folder, { monitorEnabled: false });
    expect(await litestream.status()).toMatchObject({ path, state: "stopped", position: undefined });
    await litestream.start();
    expect(await litestream.status()).toMatchObject({ state: "waiting", reason: `no database at ${path}` });
    await makeDatabase(path);
    const position = await litestream.sync();
    const walSizeBytes = statSync(`${path}-wal`).size;
    const sizes = { pageSize: 4096, dbSizeBytes: statSync(path).size, walSizeBytes, shadowWalSizeBytes: walSizeBytes };
    const replica = { name: "file", type: "file", location: folder.join("replica"), position, failure: undefined };
    const status = await litestream.status();
    expect(status).toMatchObject({ state: "replicating", reason: undefined, position, ...sizes });
    expect(status.replicas).toMatchObject([{ ...replica, lagMs: 0, lagBytes: 0 }]);
    expect(status.replicas[0]?.lastSnapshot).toMatchObject({ generation: position.generation, index: 0 });
    await litestream.stop();
    expect((await litestream.status()).state).toBe("stopped");
  });

  test("waits for a database that is not there yet, says so once, and then replicates it", async () => {
    await using folder = await tempFolder();
    const { litestream, events } = litestreamIn(folder, { monitorIntervalMs: 20 });
    await using _running = litestream;
    await litestream.start();
    expect(await failureOf(() => litestream.sync())).toHaveProperty(
      "message",
      expect.stringContaining("no database at"),
    );
    writeFileSync(folder.join("app.db"), "");
    await makeDatabase(folder.join("app.db"));
    await events.first(({ type }) => type === "replica-sync");
    expect(events.seen.filter(({ type }) => type === "waiting")).toHaveLength(1);
    expect(events.seen.filter(({ type }) => type === "error")).toEqual([]);
  });

  test("waits for a database that its application holds exclusively, then replicates it", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const application = new Database(path);
    application.run("PRAGMA locking_mode = EXCLUSIVE");
    application.run("INSERT INTO item VALUES (1, 'key', x'00')");
    const { litestream, events } = litestreamIn(folder, { monitorIntervalMs: 20, busyTimeoutMs: 1 });
    await using _running = litestream;
    await litestream.start();
    expect(events.seen.map(({ type }) => type)).toEqual(["waiting"]);
    application.close();
    await events.first(({ type }) => type === "replica-sync");
  });

  test("follows the link when the database is named by one", async () => {
    await using folder = await tempFolder();
    mkdirSync(folder.join("real"));
    await makeDatabase(folder.join("real", "data.db"));
    symlinkSync(folder.join("real", "data.db"), folder.join("app.db"));
    // No poll comes in time: only an event of the folder that the WAL is in.
    const { litestream, events } = litestreamIn(folder, { monitorIntervalMs: 1e6 });
    await using _running = litestream;
    await litestream.start();
    await litestream.sync();
    const seen = events.seen.length;
    await commitElsewhere(folder.join("real", "data.db"));
    await events.first(({ type }) => type === "replica-sync", seen);
  });

  test("begins a generation when another database takes the place of the one it replicates", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const { litestream, events } = litestreamIn(folder, { monitorIntervalMs: 20 });
    await using _running = litestream;
    await litestream.start();
    await events.first(({ type }) => type === "replica-sync");
    const before = litestream.position()?.generation;
    for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`);
    await makeDatabase(folder.join("other.db"), { transactions: 77 });
    await sqlElsewhere(folder.join("other.db"), "PRAGMA wal_checkpoint(TRUNCATE)");
    renameSync(folder.join("other.db"), path);
    await events.first((event) => event.type === "replica-sync" && event.position.generation !== before);
    await litestream.stop();
    expect(rowsDigest(await restored(folder))).toBe(rowsDigest(path));
  });

  test("keeps capturing while a replica fails, and catches up when it can", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const { litestream, events } = litestreamIn(folder, { monitorIntervalMs: 20 });
    await using _running = litestream;
    await litestream.start();
    await events.first(({ type }) => type === "replica-sync");
    const generation = litestream.position()?.generation ?? "";
    const wal = folder.join("replica", "generations", generation, "wal");
    renameSync(wal, `${wal}-away`);
    writeFileSync(wal, "in the way");
    await commitElsewhere(path);
    await events.first(({ type }) => type === "error");
    rmSync(wal);
    renameSync(`${wal}-away`, wal);
    const position = await litestream.sync();
    expect(position).toEqual(litestream.position() ?? position);
    expect(position.generation as string).toBe(generation);
  });

  test("changes nothing on disk when it refuses to start", async () => {
    await using folder = await tempFolder();
    writeFileSync(folder.join("app.db"), "no database");
    const { litestream } = litestreamIn(folder);
    expect(await failureOf(() => litestream.start())).toHaveProperty(
      "message",
      expect.stringContaining("not a SQLite database"),
    );
    rmSync(folder.join("app.db"));
    await makeDatabase(folder.join("app.db"));
    const names = readdirSync(folder.path);
    const nowhere = litestreamIn(folder, { replicas: [{ path: folder.join("no", "where") }] }).litestream;
    expect(await failureOf(() => nowhere.start())).toHaveProperty("message", expect.stringContaining("does not exist"));
    expect(readdirSync(folder.path)).toEqual(names);
  });

  test("refuses replicas that would get in each other's way, or in ours", () => {
    const make = (...replicas: { path: string; name?: string }[]): (() => Litestream) => {
      return () => new Litestream({ path: "/x/app.db", replicas });
    };
    expect(make()).toThrow("it has no replica");
    expect(make({ path: "/r" }, { path: "/s" })).toThrow("two replicas have one name");
    expect(make({ path: "/r", name: "a" }, { path: "/r/", name: "b" })).toThrow("two replicas have one folder");
    expect(make({ path: "/x/.app.db-litestream/r" })).toThrow("lies in the meta directory");
  });

  test("stops once, however often it is asked to, and leaves no lock behind", async () => {
    await using folder = await tempFolder();
    await makeDatabase(folder.join("app.db"));
    const { litestream, events } = litestreamIn(folder);
    await litestream.start();
    await Promise.all([litestream.stop(), litestream.stop()]);
    expect(events.seen.filter(({ type }) => type === "stopped")).toHaveLength(1);
    const again = litestreamIn(folder);
    await again.litestream.start();
    await again.litestream.stop();
    expect(again.events.seen.some((event) => event.type === "opened" && event.resumed)).toBe(true);
  });

  test("is not stopped by an observer that throws", async () => {
    await using folder = await tempFolder();
    await makeDatabase(folder.join("app.db"));
    const onEvent = (): void => {
      throw new Error("observer");
    };
    const { litestream } = litestreamIn(folder, { onEvent });
    await using _running = litestream;
    await litestream.start();
    await litestream.sync();
  });
});

describe("a process that ends without stopping Litestream", () => {
  for (const ending of ["process.exit(3)", "throw new Error('crash')", "process.kill(process.pid, 'SIGKILL')"]) {
    test(`leaves the WAL to its users: ${ending}`, async () => {
      await using folder = await tempFolder();
      const path = await databaseIn(folder);
      mkdirSync(folder.join("replica"));
      const size = statSync(`${path}-wal`).size;
      const program = `
        import { Litestream } from ${JSON.stringify(`${import.meta.dirname}/../src/index.ts`)};
        const litestream = new Litestream({
          path: ${JSON.stringify(path)},
          replicas: [{ path: ${JSON.stringify(folder.join("replica"))} }],
        });
        await litestream.start();
        await litestream.sync();
        ${ending};`;
      const child = Bun.spawn([process.execPath, "-e", program], { stdout: "ignore", stderr: "ignore" });
      expect(await child.exited).not.toBe(0);
      expect(statSync(`${path}-wal`).size).toBe(size);
      expect(await transactionsElsewhere(path)).toBe(10);
      expect(rowsDigest(await restored(folder))).toBe(rowsDigest(path));
    });
  }
});
