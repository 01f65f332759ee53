import { expect } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { endianness } from "node:os";
import { dirname, join } from "node:path";
import { processState } from "../../src/fault/process-state.ts";
import {
  canUseSyscallShim,
  type ConnectionProcess,
  createSyscallShim,
  readWalSummary,
  spawnConnection,
  SqlError,
  type SyscallFault,
  type SyscallShim,
  syscallShimObstacle,
  tempFolder,
} from "../../src/index.ts";
import { skipUnless } from "../../src/skip.ts";
import { failureOf } from "../failure.ts";

const testShim = skipUnless(canUseSyscallShim() || undefined, `no system call shim: ${syscallShimObstacle()}`);
const sqlite3 = Bun.which("sqlite3");
const testSqlite3 = skipUnless(
  canUseSyscallShim() && sqlite3 !== null ? sqlite3 : undefined,
  `no system call shim (${syscallShimObstacle()}) or no sqlite3`,
);

const walHeaderBytes = 32;
const frameBytes = 24 + 4096;

/** A database with one row, acknowledged, in its WAL; and the writer that goes on with it, under the shim. */
interface Case extends AsyncDisposable {
  readonly path: string;
  readonly shim: SyscallShim;
  readonly writer: ConnectionProcess;
}

async function startCase(): Promise<Case> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const path = folder.join("app.db");
  const shim = stack.use(await createSyscallShim({ path }));
  const writer = stack.use(await spawnConnection({ path, environment: shim.environment, autocheckpointPages: 0 }));
  await writer.run("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)");
  const parts = stack.move();
  return { path, shim, writer, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** The rows, as another process sees them. It ends without a checkpoint, as it is not to change the WAL. */
async function rowsOf(path: string): Promise<unknown[]> {
  const connection = await spawnConnection({ path });
  try {
    return await rowsSeenBy(connection);
  } finally {
    await connection.kill();
  }
}

async function rowsSeenBy(connection: ConnectionProcess): Promise<unknown[]> {
  return (await connection.all("SELECT n FROM t ORDER BY n")).map(({ n }) => n);
}

/** Frames of the WAL up to the last commit frame whose chain of checksums holds. */
function committedFrames(path: string): number {
  return readWalSummary(`${path}-wal`).mxFrame;
}

/** Frames that the wal-index calls committed (walformat.html, "The WAL-Index File Format": native order). */
function publishedFrames(path: string): number {
  return new DataView(Uint8Array.from(readFileSync(`${path}-shm`)).buffer).getUint32(16, endianness() === "LE");
}

/** The code with which SQLite refuses a statement. */
async function codeOf(statement: Promise<unknown>): Promise<string> {
  return statement.then(
    () => "nothing failed",
    (error: unknown) => (error instanceof SqlError ? error.code : String(error)),
  );
}

testShim("a writer stopped in the sync of its commit has written frames that are not published", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  expect([committedFrames(path), publishedFrames(path)]).toEqual([3, 3]);
  shim.arm({ call: "sync", file: "wal", action: "stop" });
  const commit = writer.run("INSERT INTO t VALUES (2)");
  expect(await shim.reached(commit)).toEqual({ pid: writer.pid, state: "stopped" });
  expect([committedFrames(path), publishedFrames(path)]).toEqual([4, 3]);
  expect(await rowsOf(path)).toEqual([1]);

  shim.resume();
  expect(await commit).toMatchObject({ changes: 1 });
  expect([committedFrames(path), publishedFrames(path)]).toEqual([4, 4]);
  expect(await rowsOf(path)).toEqual([1, 2]);
});

testShim("a commit whose writer is killed in its sync is overwritten by the next writer", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  // As long as a connection is open, nobody recovers the frames.
  await using neighbour = await spawnConnection({ path });
  expect(await rowsSeenBy(neighbour)).toEqual([1]);
  shim.arm({ call: "sync", file: "wal", action: "stop", when: "after" });
  const commit = failureOf(writer.run("INSERT INTO t VALUES (2)"));
  await shim.reached(commit);
  expect([committedFrames(path), publishedFrames(path)]).toEqual([4, 3]);
  await writer.kill();
  expect(await commit).toContain("was ended by SIGKILL");
  await neighbour.run("INSERT INTO t VALUES (3)");
  expect([committedFrames(path), publishedFrames(path)]).toEqual([4, 4]);
  expect(await rowsOf(path)).toEqual([1, 3]);
});

testShim("an I/O error in the sync fails the commit, and the next one succeeds", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  shim.arm({ call: "sync", file: "wal", action: "error", errno: "EIO" });
  expect(await codeOf(writer.run("INSERT INTO t VALUES (2)"))).toBe("SQLITE_IOERR_FSYNC");
  expect(await shim.reached()).toEqual({ pid: writer.pid, state: "running" });
  await writer.run("INSERT INTO t VALUES (3)");
  expect(await rowsOf(path)).toEqual([1, 3]);
});

testShim("a disk that is full for good fails every commit until the shim is disarmed", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  shim.arm({ call: "write", file: "wal", action: "error", errno: "ENOSPC", times: Infinity });
  for (const n of [2, 3]) expect(await codeOf(writer.run("INSERT INTO t VALUES (?)", [n]))).toBe("SQLITE_FULL");
  shim.disarm();
  await writer.run("INSERT INTO t VALUES (4)");
  expect(await rowsOf(path)).toEqual([1, 4]);
});

const killings: { name: string; fault: SyscallFault; walBytesMore: number; rows: number[] }[] = [
  { name: "before it writes", fault: { call: "write", file: "wal", action: "kill" }, walBytesMore: 0, rows: [1] },
  {
    name: "after its frame header",
    fault: { call: "write", file: "wal", when: "after", action: "kill" },
    walBytesMore: 24,
    rows: [1],
  },
  {
    name: "in the middle of its page",
    fault: { call: "write", file: "wal", nth: 2, action: "torn", bytes: 1000 },
    walBytesMore: 24 + 1000,
    rows: [1],
  },
  {
    name: "after its page",
    fault: { call: "write", file: "wal", nth: 2, when: "after", action: "kill" },
    walBytesMore: frameBytes,
    // Nobody else has the database open, so that the next one to open it recovers the whole frame.
    rows: [1, 2],
  },
];
for (const { name, fault, walBytesMore, rows } of killings) {
  testShim(`a writer killed ${name} leaves as much of the WAL`, async () => {
    await using given = await startCase();
    const { path, shim, writer } = given;
    const walBytes = statSync(`${path}-wal`).size;
    shim.arm(fault);
    const commit = failureOf(writer.run("INSERT INTO t VALUES (2)"));
    expect(await shim.reached(commit)).toEqual({ pid: writer.pid, state: "gone" });
    expect(await commit).toContain("was ended by SIGKILL");
    expect(statSync(`${path}-wal`).size - walBytes).toBe(walBytesMore);
    expect(await rowsOf(path)).toEqual(rows);
  });
}

testShim("SyscallShim.reached waits for each stop in turn", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  shim.arm({ call: "write", file: "wal", action: "stop", when: "after", times: Infinity });
  const commit = writer.run("INSERT INTO t VALUES (2)");
  const walBytes: number[] = [];
  for (let n = 0; n < 2; n++) {
    expect((await shim.reached(commit)).state).toBe("stopped");
    walBytes.push(statSync(`${path}-wal`).size);
    shim.resume();
  }
  await commit;
  expect(walBytes).toEqual([walHeaderBytes + 3 * frameBytes + 24, walHeaderBytes + 4 * frameBytes]);
});

testShim("a delayed sync only takes longer", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  shim.arm({ call: "sync", file: "wal", action: "delay", delayMs: 1, times: 2 });
  await writer.run("INSERT INTO t VALUES (2)");
  await writer.run("INSERT INTO t VALUES (3)");
  expect((await shim.reached()).state).toBe("running");
  expect((await shim.reached()).state).toBe("running");
  expect(await rowsOf(path)).toEqual([1, 2, 3]);
});

testShim("errors reach opens, reads, locks, truncations and deletions", async () => {
  await using given = await startCase();
  const { path, shim, writer } = given;
  const failing = async (fault: SyscallFault, sql: string): Promise<string> => {
    shim.arm(fault);
    const statement = codeOf(writer.run(sql));
    await shim.reached(statement);
    shim.disarm();
    return statement;
  };
  const untruncated: SyscallFault = { call: "truncate", file: "wal", action: "error", errno: "EIO" };
  expect(await failing(untruncated, "PRAGMA wal_checkpoint(TRUNCATE)")).toBe("SQLITE_IOERR_TRUNCATE");
  await writer.run("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = 0");
  // EIO would do, too, but SQLite calls that one corruption.
  const unread: SyscallFault = { call: "read", file: "db", action: "error", errno: "ESTALE" };
  expect(await failing(unread, "SELECT * FROM t")).toBe("SQLITE_IOERR_READ");
  const denied: SyscallFault = { call: "open", file: "/other.db", action: "error", errno: "EACCES", times: Infinity };
  expect(await failing(denied, `ATTACH '${join(dirname(path), "other.db")}' AS other`)).toBe("SQLITE_CANTOPEN");
  await writer.run("PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE");
  const locked: SyscallFault = { call: "lock", file: "db", action: "error", errno: "EAGAIN" };
  expect(await failing(locked, "INSERT INTO t VALUES (2)")).toBe("SQLITE_BUSY");
  const undeleted: SyscallFault = { call: "unlink", file: "journal", action: "error", errno: "EIO" };
  expect(await failing(undeleted, "INSERT INTO t VALUES (3)")).toBe("SQLITE_IOERR_DELETE");
});

testShim("SyscallShim.counts tells calls and written bytes by file", async () => {
  await using given = await startCase();
  const { shim, writer } = given;
  const before = shim.counts();
  for (let n = 0; n < 5; n++) await writer.run(`INSERT INTO t VALUES (${n})`);
  const after = shim.counts();
  expect(after.wal.sync - before.wal.sync).toBe(5);
  expect(after.wal.write - before.wal.write).toBe(10);
  expect(after.wal.writtenBytes - before.wal.writtenBytes).toBe(5 * frameBytes);
  expect(after.db).toMatchObject({ sync: before.db.sync, writtenBytes: before.db.writtenBytes });
  expect(after.shm.lock).toBeGreaterThan(before.shm.lock);

  await writer.run("PRAGMA synchronous = NORMAL");
  await writer.run("INSERT INTO t VALUES (6)");
  expect(shim.counts().wal.sync).toBe(after.wal.sync);
  await writer.run("PRAGMA wal_checkpoint");
  expect(shim.counts().wal.sync).toBe(after.wal.sync + 1);
  expect(shim.counts().db.sync).toBe(after.db.sync + 1);
});

testShim("SyscallShim.counts loses no call of many threads, and a stop halts them all", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using shim = await createSyscallShim({ path });
  const threads = 4;
  const commits = 25;
  const thread = `
    const { Database } = require("bun:sqlite");
    const database = new Database(${JSON.stringify(path)});
    database.run("PRAGMA busy_timeout = 60000");
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA wal_autocheckpoint = 0");
    for (let n = 0; n < ${commits}; n++) database.run("INSERT INTO t VALUES (1)");
    postMessage("done");
  `;
  const program = `
    const { Database } = require("bun:sqlite");
    const database = new Database(${JSON.stringify(path)});
    database.run("PRAGMA journal_mode = WAL");
    database.run("CREATE TABLE t (n)");
    let left = ${threads};
    const url = URL.createObjectURL(new Blob([${JSON.stringify(thread)}]));
    for (let n = 0; n < ${threads}; n++) {
      new Worker(url).onmessage = () => --left === 0 && process.kill(process.pid, "SIGKILL");
    }
  `;
  shim.arm({ call: "sync", file: "wal", nth: 50, action: "stop" });
  await using child = Bun.spawn([process.execPath, "-e", program], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ...shim.environment },
  });
  expect(await shim.reached(child.exited)).toEqual({ pid: child.pid, state: "stopped" });
  shim.resume();
  await child.exited;
  expect(await rowsOf(path)).toHaveLength(threads * commits);
  // One each, besides the header's and the schema's.
  expect(shim.counts().wal.sync).toBeGreaterThanOrEqual(threads * commits);
  expect(shim.counts().wal.writtenBytes).toBe(statSync(`${path}-wal`).size);
});

testShim("the shim stops Bun's own rename, by the end of its destination's path", async () => {
  await using folder = await tempFolder();
  await using shim = await createSyscallShim({ path: folder.join("app.db") });
  shim.arm({ call: "rename", file: "/published", action: "stop" });
  const program = "const [from, to] = process.argv.slice(-2); require('fs').renameSync(from, to)";
  await Bun.write(folder.join("draft"), "");
  const command = [process.execPath, "-e", program, folder.join("draft"), folder.join("published")];
  await using child = Bun.spawn(command, { env: { ...process.env, ...shim.environment } });
  await shim.reached(child.exited);
  expect(existsSync(folder.join("published"))).toBe(false);
  shim.resume();
  await child.exited;
  expect(existsSync(folder.join("published"))).toBe(true);
});

testShim("SyscallShim.reached rejects when its process ends first, and says what was called", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using shim = await createSyscallShim({ path });
  expect(await failureOf(shim.reached())).toContain("nothing is armed");
  shim.arm({ call: "truncate", file: "any", action: "kill" });
  await using unshimmed = await spawnConnection({ path });
  expect(await failureOf(shim.reached(unshimmed.run("CREATE TABLE t (n)")))).toContain(
    "no process has loaded the shim",
  );
  await using writer = await spawnConnection({ path, environment: shim.environment });
  expect(await failureOf(shim.reached(writer.run("INSERT INTO t VALUES (1)")))).toContain("journal: open 1, ");
});

testShim("SyscallShim.reached rejects when something else is armed meanwhile", async () => {
  await using given = await startCase();
  const { shim, writer } = given;
  shim.arm({ call: "sync", file: "wal", action: "stop" });
  const first = failureOf(shim.reached());
  shim.arm({ call: "sync", file: "wal", action: "stop" });
  expect(await first).toContain("not reached before it was disarmed");
  const second = failureOf(shim.reached());
  shim.disarm();
  expect(await second).toContain("not reached before it was disarmed");
  await writer.run("INSERT INTO t VALUES (2)");
});

testShim("SyscallShim's disposal kills a process that is halted under it", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  const shim = await createSyscallShim({ path });
  const { LD_PRELOAD } = shim.environment;
  await using writer = await spawnConnection({ path, environment: shim.environment });
  shim.arm({ call: "open", file: "journal", action: "stop" });
  const statement = failureOf(writer.run("CREATE TABLE t (n)"));
  await shim.reached(statement);
  expect(processState(writer.pid)).toBe("stopped");
  await shim[Symbol.asyncDispose]();
  expect(await statement).toContain("was ended by SIGKILL");
  expect(existsSync(String(LD_PRELOAD).split(":")[0] ?? "")).toBe(false);
});

testShim("SyscallShim.arm refuses what there is not", async () => {
  await using folder = await tempFolder();
  await using shim = await createSyscallShim({ path: folder.join("app.db") });
  const arm = (fault: object): (() => void) => {
    return () => shim.arm({ call: "write", file: "wal", action: "kill", ...fault });
  };
  expect(arm({ call: "mmap" })).toThrow("unknown call");
  expect(arm({ file: "wall" })).toThrow("unknown file");
  expect(arm({ nth: 0 })).toThrow("nth is a whole number from 1");
  expect(arm({ action: "error", errno: "EVERYTHING" })).toThrow("unknown errno");
  expect(arm({ action: "torn", bytes: 1, call: "fsync" })).toThrow("only a write");
});

testSqlite3("the shim works in sqlite3, linked with another SQLite", async (command) => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using shim = await createSyscallShim({ path });
  shim.arm({ call: "sync", file: "wal", action: "error", errno: "EIO", times: Infinity });
  const sql = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n);";
  const child = Bun.spawn([command, path, sql], { env: { ...process.env, ...shim.environment }, stderr: "pipe" });
  await shim.reached(child.exited);
  expect(await child.stderr.text()).toContain("disk I/O error");
  expect(shim.counts().wal.open).toBe(1);
});

testShim("createSyscallShim rejects where the database's folder is missing", async () => {
  await using folder = await tempFolder();
  expect(await failureOf(createSyscallShim({ path: folder.join("missing", "app.db") }))).toContain("ENOENT");
});
