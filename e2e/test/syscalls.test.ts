/**
 * What the engine asks of the system, counted from outside by strace: also what SQLite and Bun do in its name, which
 * core's own counts (packages/core/test/cost) do not see. A change that needs more says so here.
 */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { realpathSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { type Syscalls, TracedReplicator } from "../src/syscalls/traced-replicator.ts";
import { skipUnless } from "../src/tools/skip.ts";

/** Undefined where there is none, and where a process may not be traced. */
function straceThatWorks(): string | undefined {
  const strace = Bun.which("strace");
  if (strace === null) return undefined;
  const { success } = Bun.spawnSync([strace, "-o", "/dev/null", "true"]);
  return success ? strace : undefined;
}

const testTraced = skipUnless(straceThatWorks(), "strace is not installed, or may not trace a process");
const transactions = 20;

interface Scene extends AsyncDisposable {
  readonly ours: TracedReplicator;
  /** A transaction of the application: always the same page. */
  readonly write: () => void;
}

async function startScene(strace: string, minCheckpointPageCount: number): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const database = stack.use(new Database(folder.join("app.db")));
  database.run("PRAGMA journal_mode = wal");
  database.run("PRAGMA wal_autocheckpoint = 0");
  database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)");
  database.run("INSERT INTO t VALUES (1, 0)");
  const ours = stack.use(new TracedReplicator(strace, realpathSync(folder.path), minCheckpointPageCount));
  const write = (): void => void database.run("UPDATE t SET n = n + 1");
  for (let n = 0; n < 3; n++) {
    write();
    await ours.sync();
  }
  return { ours, write, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Of each transaction; no whole number where one was unlike the others. */
function each(calls: Syscalls): Syscalls {
  return Object.fromEntries(Object.entries(calls).map(([call, count]) => [call, count / transactions]));
}

testTraced("a transaction that is replicated costs so many calls, each time the same", async (strace) => {
  await using scene = await startScene(strace, 1e9);
  const calls = await scene.ours.count(async () => {
    for (let n = 0; n < transactions; n++) {
      scene.write();
      await scene.ours.sync();
    }
  });
  const shadow = ".app.db-litestream/generations/G/wal/N.wal";
  const [wal, times] = ["replica/generations/G/wal/N.wal", "replica/generations/G/times/N.wal"];
  expect(each(calls)).toEqual({
    // Whether everything is still at its name, and whether something is new.
    "statx app.db": 1,
    "statx app.db-shm": 2,
    "statx .app.db-litestream/lock": 1,
    "pread64 app.db-shm": 1,
    // Capture.
    "openat app.db-wal": 1,
    "pread64 app.db-wal": 1,
    "close app.db-wal": 1,
    [`statx ${shadow}`]: 1,
    [`pwrite64 ${shadow}`]: 1,
    // Replication.
    [`access ${shadow}`]: 1,
    [`openat ${shadow}`]: 1,
    [`pread64 ${shadow}`]: 1,
    [`close ${shadow}`]: 1,
    [`openat ${wal}`]: 1,
    [`pwrite64 ${wal}`]: 1,
    [`fdatasync ${wal}`]: 1,
    [`close ${wal}`]: 1,
    [`access ${times}`]: 1,
    [`openat ${times}`]: 1,
    [`pwrite64 ${times}`]: 1,
    [`close ${times}`]: 1,
  });
});

testTraced("a sync that finds nothing reads the wal-index, and writes and flushes nothing", async (strace) => {
  await using scene = await startScene(strace, 1e9);
  const calls = await scene.ours.count(async () => {
    for (let n = 0; n < transactions; n++) await scene.ours.sync();
  });
  expect(each(calls)).toEqual({
    "statx app.db": 1,
    "statx app.db-shm": 2,
    "statx .app.db-litestream/lock": 1,
    "pread64 app.db-shm": 1,
    "access .app.db-litestream/generations/G/wal/N.wal": 1,
    "openat .app.db-litestream/generations/G/wal/N.wal": 1,
    "close .app.db-litestream/generations/G/wal/N.wal": 1,
  });
});

testTraced("a checkpoint writes a page once, however often it is in the WAL, and flushes twice", async (strace) => {
  const frames = 40;
  await using scene = await startScene(strace, frames);
  const checkpoint = async (): Promise<Syscalls> => {
    for (let n = 0; n < frames; n++) scene.write();
    return scene.ours.count(() => scene.ours.sync());
  };
  // The first one also moves what came before.
  await checkpoint();
  // Ours, while writers go on; and SQLite's, which finds nothing left to flush.
  const flushes = { "fsync app.db": 2, "fsync app.db-wal": 1, "fdatasync app.db-wal": 1 };
  expect(await checkpoint()).toMatchObject({ "pwrite64 app.db": 1, ...flushes });
});
