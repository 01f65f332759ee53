import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { tempFolder } from "@litestream/testkit";
import { checkpoint } from "../../src/db/checkpoint.ts";
import { ReadLock } from "../../src/db/read-lock.ts";
import { Connection } from "../../src/sqlite/connection.ts";
import { DbFile } from "../../src/sqlite/db-file.ts";
import { inOtherProcess, insertRow, makeDatabase } from "../child.ts";

interface Setup extends AsyncDisposable {
  readonly path: string;
  readonly lock: ReadLock;
  /** An application's connection, in this process: SQLite keeps the locks of its own connections apart. */
  readonly application: Database;
  readonly connect: () => Connection;
  /** Called whenever the lock looks at the wal-index: before and after each transaction begins. */
  onLook: () => void;
}

async function setUp(): Promise<Setup> {
  const folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const file = DbFile.open(path);
  const connect = (): Connection => new Connection(path, 0);
  const first = connect();
  first.beginRead();
  first.rollback();
  file.openWalIndex();
  const view = (): ReturnType<DbFile["readWalIndex"]> => {
    setup.onLook();
    return file.readWalIndex();
  };
  const application = new Database(path);
  const setup: Setup = {
    path,
    lock: new ReadLock(first, connect, view),
    application,
    connect,
    onLook: () => undefined,
    async [Symbol.asyncDispose]() {
      setup.lock.close();
      application.close();
      file.close();
      await folder[Symbol.asyncDispose]();
    },
  };
  setup.lock.take();
  return setup;
}

/** Whether the WAL could be restarted now, if somebody tried. */
function canRestart(application: Database): boolean {
  return application.query<{ busy: number }, []>("PRAGMA wal_checkpoint(RESTART)").get()?.busy === 0;
}

function canWrite(application: Database): boolean {
  try {
    application.run("BEGIN IMMEDIATE");
    application.run("ROLLBACK");
    return true;
  } catch {
    return false;
  }
}

describe("ReadLock", () => {
  test("is handed over without a moment in which the WAL could be restarted", async () => {
    await using setup = await setUp();
    const restarts: boolean[] = [];
    const look = (): void => void restarts.push(canRestart(setup.application));
    setup.onLook = look;
    setup.lock.handOver(look);
    expect(restarts).toEqual([false, false, false]);
  });

  test("stays with the first transaction when the copy of a hand-over fails", async () => {
    await using setup = await setUp();
    expect(() =>
      setup.lock.handOver(() => {
        throw new Error("no space left");
      }),
    ).toThrow("no space left");
    expect(setup.lock.isHeld).toBe(true);
    expect(canRestart(setup.application)).toBe(false);
  });
});

describe("checkpoint", () => {
  test("keeps writers out from its last copy until the read lock is held again, and no longer", async () => {
    await using setup = await setUp();
    const steps: string[] = [];
    const step = (name: string): void => void steps.push(`${name}: ${canWrite(setup.application) ? "open" : "locked"}`);
    setup.onLook = () => step(setup.lock.isHeld ? "look" : "look without a read lock");
    using writer = setup.connect();
    const outcome = checkpoint("PASSIVE", {
      lock: setup.lock,
      writer,
      busyTimeoutMs: 1000,
      copy: () => step("copy"),
      flush: () => step("flush"),
    });
    expect(outcome.complete).toBe(true);
    expect(steps).toEqual([
      "look: open",
      "look: open",
      "copy: open",
      "copy: open",
      "flush: open",
      "copy: locked",
      "look without a read lock: locked",
      "look: locked",
    ]);
    expect(canWrite(setup.application)).toBe(true);
    expect(setup.lock.isHeld).toBe(true);
    expect(setup.lock.onLockZero).toBe(true);
  });

  test("holds a read lock again when its last copy fails, and lets go of the write lock", async () => {
    await using setup = await setUp();
    await inOtherProcess(setup.path, insertRow);
    using writer = setup.connect();
    let copies = 0;
    expect(() =>
      checkpoint("PASSIVE", {
        lock: setup.lock,
        writer,
        busyTimeoutMs: 1000,
        copy: () => {
          copies += 1;
          if (copies === 3) throw new Error("no space left");
        },
        flush: () => undefined,
      }),
    ).toThrow("no space left");
    expect(setup.lock.isHeld).toBe(true);
    expect(canWrite(setup.application)).toBe(true);
    expect(canRestart(setup.application)).toBe(false);
  });

  test("leaves the read lock where it is when a writer does not let it have the write lock", async () => {
    await using setup = await setUp();
    setup.application.run("BEGIN IMMEDIATE");
    using writer = setup.connect();
    const parts = { lock: setup.lock, writer, busyTimeoutMs: 5, copy: () => undefined, flush: () => undefined };
    expect(checkpoint("FORCED", parts)).toMatchObject({ complete: false, writeLockMs: 0 });
    setup.application.run("ROLLBACK");
    expect(setup.lock.isHeld).toBe(true);
    expect(canRestart(setup.application)).toBe(false);
  });
});
