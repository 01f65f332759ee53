import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { Database } from "bun:sqlite";
import { spawnConnection, spawnWriter, tempFolder } from "@litestream/testkit";
import type { Db } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { formatWalIndex } from "../../src/position.ts";
import { commitElsewhere, databaseIn, makeDatabase, sqlElsewhere, transactionsElsewhere } from "../child.ts";
import { always, openDb, type OpenedDb } from "./opened-db.ts";

function generationReasons(events: readonly LitestreamEventBody[]): string[] {
  return events.flatMap((event) => (event.type === "generation" ? [event.reason] : []));
}

/** Asserts that the newest shadow WAL file is byte for byte the WAL up to the captured position. */
function expectShadowIsWal(db: Db, path: string): void {
  const position = db.captured()?.position;
  if (position === undefined) throw new Error("nothing was captured");
  const shadow = readFileSync(
    `${db.metaPath}/generations/${position.generation}/wal/${formatWalIndex(position.index)}.wal`,
  );
  const wal = readFileSync(`${path}-wal`);
  expect(shadow.byteLength).toBe(position.offset);
  expect(shadow.equals(wal.subarray(0, position.offset))).toBe(true);
}

describe("Db.open", () => {
  test("begins a generation with all of the WAL", async () => {
    await using folder = await tempFolder();
    for (const pageSize of [512, 4096, 65536]) {
      const path = folder.join(`${pageSize}.db`);
      await makeDatabase(path, { pageSize });
      using opened = openDb(path);
      expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
      expectShadowIsWal(opened.db, path);
      expect(opened.db.captured()?.position.offset).toBe(statSync(`${path}-wal`).size);
    }
  });

  test("lays the meta directory out as Litestream 0.3.4 does", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    const generation = opened.db.captured()?.position.generation;
    const meta = folder.join(".app.db-litestream");
    expect(readFileSync(`${meta}/generation`, "utf8")).toBe(`${generation}\n`);
    expect(readdirSync(`${meta}/generations/${generation}/wal`)).toEqual(["00000000.wal"]);
    expect(statSync(`${meta}/generations/${generation}/wal/00000000.wal`).mode).toBe(statSync(path).mode);
  });

  test("begins with position 0 on an empty WAL, and gives the first frames index 0", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    await sqlElsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)");
    using opened = openDb(path);
    expect(opened.db.captured()?.position).toMatchObject({ index: 0, offset: 0 });
    await commitElsewhere(path);
    opened.db.sync();
    expect(opened.db.captured()?.position.index as number).toBe(0);
    expectShadowIsWal(opened.db, path);
  });

  test("turns WAL mode on for a database with a rollback journal, and says so", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    await sqlElsewhere(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
    using opened = openDb(path);
    expect(opened.events).toContainEqual({
      type: "warning",
      message: `turned on WAL mode of ${path}, which replication needs`,
    });
    expect(await sqlElsewhere(path, "PRAGMA journal_mode")).toEqual([{ journal_mode: "wal" }]);
  });

  test("changes nothing on disk when the file is no SQLite database, and says what to do", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const contents = { empty: "", short: "SQLite format 3\0", text: "x".repeat(5000) };
    for (const content of Object.values(contents)) {
      writeFileSync(path, content);
      let thrown: unknown;
      try {
        openDb(path)[Symbol.dispose]();
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: "DATABASE_INVALID", path });
      expect(thrown).toHaveProperty("hint", expect.stringContaining("path"));
      expect(readdirSync(folder.path)).toEqual(["app.db"]);
      expect(readFileSync(path, "utf8")).toBe(content);
    }
  });

  test("names a database that is not there", async () => {
    await using folder = await tempFolder();
    expect(() => openDb(folder.join("no.db"))).toThrow(`no database at ${folder.join("no.db")}`);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("refuses a database that is replicated already, until that ends", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    {
      using first = openDb(path);
      expect(() => openDb(path)).toThrow("already replicated by another process");
      // The refused one must not have cost the first its locks.
      await commitElsewhere(path);
      first.db.sync();
      expect(await checkpointElsewhere(path, "TRUNCATE")).toMatchObject({ busy: 1 });
    }
    openDb(path)[Symbol.dispose]();
  });
});

describe("Db.open after an earlier run", () => {
  test("goes on in the same generation when the WAL is unchanged or has grown", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const first = openDb(path);
    const before = first.db.captured()?.position;
    first.db.close();
    for (const grows of [false, true]) {
      if (grows) await commitElsewhere(path);
      using again = openDb(path);
      expect(again.events).toContainEqual({ type: "opened", pageSize: 4096, resumed: true });
      expect(again.db.captured()?.position.generation).toBe(before?.generation);
      expectShadowIsWal(again.db, path);
    }
  });

  const resumes: Record<string, { change: (path: string, shadow: string) => Promise<unknown> | void; reason: string }> =
    {
      "the WAL was restarted": {
        change: (path) => restartWalElsewhere(path),
        reason: "wal restarted while not replicating",
      },
      "the WAL was restarted twice": {
        change: async (path) => {
          await restartWalElsewhere(path);
          await restartWalElsewhere(path);
        },
        reason: "wal restarted while not replicating",
      },
      "the WAL was truncated": {
        change: (path) => sqlElsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)"),
        reason: "wal restarted while not replicating",
      },
      "a byte of the shadow WAL's header changed": {
        change: (_path, shadow) => flip(shadow, 13),
        reason: "shadow wal damaged",
      },
      "the shadow WAL is gone": {
        change: (_path, shadow) => inRemoved(shadow),
        reason: "no shadow wal",
      },
      "the name of the generation is no such name": {
        change: (path) => writeFileSync(path.replace("app.db", ".app.db-litestream/generation"), "zzz\n"),
        reason: "no generation exists",
      },
    };
  for (const [name, { change, reason }] of Object.entries(resumes)) {
    test(`begins a generation when ${name}`, async () => {
      await using folder = await tempFolder();
      const path = await databaseIn(folder);
      const first = openDb(path);
      const position = first.db.captured()?.position;
      first.db.close();
      const shadow = `${first.db.metaPath}/generations/${position?.generation}/wal/00000000.wal`;
      await change(path, shadow);
      using again = openDb(path);
      expect(generationReasons(again.events)).toEqual([reason]);
      if ((again.db.captured()?.position.offset ?? 0) > 0) expectShadowIsWal(again.db, path);
    });
  }

  test("cuts a torn tail off the shadow WAL and copies it again from the WAL", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const first = openDb(path);
    const position = first.db.captured()?.position;
    first.db.close();
    const shadow = `${first.db.metaPath}/generations/${position?.generation}/wal/00000000.wal`;
    const size = statSync(shadow).size;
    const damages = [
      () => truncateSync(shadow, size - 100),
      () => truncateSync(shadow, 32),
      () => flip(shadow, size - 50),
    ];
    for (const damage of damages) {
      damage();
      using again = openDb(path);
      expect(generationReasons(again.events)).toEqual([]);
      expectShadowIsWal(again.db, path);
    }
  });
});

describe("Db.sync", () => {
  test("copies each commit, and leaves what is not committed", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    for (let i = 0; i < 3; i++) {
      await commitElsewhere(path);
      opened.db.sync();
      expectShadowIsWal(opened.db, path);
    }
    const before = opened.db.captured()?.position;
    // A transaction larger than the cache spills frames to the WAL before it is rolled back.
    await sqlElsewhere(
      path,
      "PRAGMA wal_autocheckpoint = 0",
      "PRAGMA cache_size = 5",
      "BEGIN",
      "UPDATE item SET payload = randomblob(9000)",
      "ROLLBACK",
    );
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(before?.offset ?? 0);
    opened.db.sync();
    expect(opened.db.captured()?.position).toEqual(before);
  });

  test("takes a WAL that was restarted after our checkpoint as the next index of the same generation", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, always);
    for (let index = 0; index < 5; index++) {
      opened.db.sync();
      expect(opened.events.at(-1)).toMatchObject({ type: "checkpoint", mode: "PASSIVE", complete: true });
      await commitElsewhere(path);
      opened.db.sync();
      expect(opened.db.captured()?.position.index as number).toBe(index + 1);
    }
    expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
  });

  test("survives any number of TRUNCATEs while idle: salts change, no frame does", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, always);
    opened.db.sync();
    for (let i = 0; i < 4; i++) {
      await sqlElsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)");
      opened.db.sync();
    }
    await commitElsewhere(path);
    opened.db.sync();
    expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
    expect(opened.db.captured()?.position.index as number).toBe(1);
  });

  test("hands over before the application pays for our lock, and then no one can restart the WAL", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, always);
    opened.db.sync();
    await commitElsewhere(path);
    opened.db.sync();
    const quiet = openedWithoutCheckpoints(opened);
    await commitElsewhere(path);
    quiet.sync();
    for (const mode of ["RESTART", "TRUNCATE"]) {
      expect(await checkpointElsewhere(path, mode)).toMatchObject({ busy: 1 });
    }
  });

  test("keeps its locks through snapshots, checkpoints and hand-overs, since it closes no descriptor", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, always);
    for (let i = 0; i < 3; i++) {
      await commitElsewhere(path);
      opened.db.sync();
      using snapshot = opened.db.beginSnapshot();
      for await (const _chunk of snapshot.content());
      await commitElsewhere(path);
      // While a snapshot is open no checkpoint is tried, so the lock sits on a mark.
      opened.db.sync();
      expect(await checkpointElsewhere(path, "TRUNCATE")).toMatchObject({ busy: 1 });
      snapshot.end();
      expect(await checkpointElsewhere(path, "TRUNCATE")).toMatchObject({ busy: 1 });
    }
  });

  test("adds nothing to a shadow WAL that somebody else changed, and proves it anew at the next sync", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    const position = opened.db.captured()?.position;
    const shadow = `${opened.db.metaPath}/generations/${position?.generation}/wal/00000000.wal`;
    truncateSync(shadow, 32);
    await commitElsewhere(path);
    expect(() => opened.db.sync()).toThrow("another process changed it");
    expect(statSync(shadow).size).toBe(32);
    opened.db.sync();
    expectShadowIsWal(opened.db, path);
    expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
  });
});

describe("Db.needsSync", () => {
  test("is false while nothing happens, and true once anybody has committed", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    const { db } = opened;
    db.sync();
    const before = db.captured()?.asOfMs ?? 0;
    await Bun.sleep(2);
    expect(db.needsSync()).toBe(false);
    // Nothing being new is known to be so up to now.
    expect(db.captured()?.asOfMs).toBeGreaterThan(before);
    await commitElsewhere(path);
    expect(db.needsSync()).toBe(true);
    db.sync();
    expect(db.needsSync()).toBe(false);
  });

  test("is true after a copy that failed, so that what was seen is not taken for captured", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    const { db } = opened;
    db.sync();
    await commitElsewhere(path);
    const before = db.captured();
    {
      using _fault = handleFaultPoints((point) => {
        if (point.kind === "file" && point.operation === "write") throw new Error("no space left on device");
      });
      expect(() => db.sync()).toThrow("no space");
    }
    expect(db.needsSync()).toBe(true);
    expect(db.captured()).toEqual(before);
    db.sync();
    expectShadowIsWal(db, path);
    expect(db.needsSync()).toBe(false);
  });

  test("is true when the WAL was restarted, and when the file is another one", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, always);
    const { db } = opened;
    // After a checkpoint of everything, so that the WAL can be restarted.
    db.sync();
    expect(db.needsSync()).toBe(false);
    await sqlElsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)");
    expect(db.needsSync()).toBe(true);
    db.sync();
    expect(db.needsSync()).toBe(false);
    renameSync(path, folder.join("moved.db"));
    // Not with each poll is it looked whether the file is there.
    expect(Array.from({ length: 8 }, () => db.needsSync())).toContain(true);
    renameSync(folder.join("moved.db"), path);
    expect(db.needsSync()).toBe(false);
  });
});

describe("Db.sync while others use the database", () => {
  test("does not copy a transaction of a writer that died before publishing it, overwritten then", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    await commitElsewhere(path);
    opened.db.sync();
    const before = opened.db.captured()?.position;
    // Both copies of the wal-index header are put back to before the commit: so a writer leaves it that dies between
    // writing its frames and publishing them.
    await processThatDies(
      path,
      `const header = Buffer.alloc(96);
       readSync(shm, header, 0, 96, 0);
       commit();
       writeSync(shm, header, 0, 96, 0);`,
    );
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(before?.offset ?? 0);
    opened.db.sync();
    expect(opened.db.captured()?.position).toEqual(before);

    await commitElsewhere(path);
    opened.db.sync();
    expect(opened.db.captured()?.position.offset).toBeGreaterThan(before?.offset ?? 0);
    expectShadowIsWal(opened.db, path);
    expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
    expect(await transactionsElsewhere(path)).toBe(12);
  });

  test("reads on where a writer died in the middle of a change of the wal-index", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    const { db, events } = opened;
    await commitElsewhere(path);
    db.sync();
    // Such a writer has changed one of the two copies of the header.
    await processThatDies(path, "commit(); writeSync(shm, new Uint8Array(8).fill(0xa5), 0, 8, 48 + 16);");
    db.sync();
    expectShadowIsWal(db, path);
    await commitElsewhere(path);
    db.sync();
    expectShadowIsWal(db, path);
    expect(generationReasons(events)).toHaveLength(1);
  });

  test("gets the write lock between two transactions of a writer that never rests", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    await using writer = await spawnWriter({ path, seed: 1, autocheckpointPages: 0, synchronous: "off" });
    await writer.waitFor(100);
    using opened = openDb(path, { ...always, minPageCount: 100, retryMs: 0 });
    const checkpoints = (): LitestreamEventBody[] => opened.events.filter(({ type }) => type === "checkpoint");
    while (checkpoints().length < 10) {
      opened.db.sync();
      await Bun.sleep(1);
    }
    const held = checkpoints().filter((event) => event.type === "checkpoint" && event.writeLockMs > 0);
    expect(held.length).toBeGreaterThanOrEqual(8);
    expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
  }, 60_000);

  test("moves what an old reader allows, and all of it once that has ended", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, { ...always, retryMs: 0 });
    const reader = new Database(path, { readonly: true });
    reader.run("BEGIN");
    reader.query("SELECT count(*) FROM item").get();
    for (let i = 0; i < 3; i++) {
      await commitElsewhere(path);
      opened.db.sync();
      expect(opened.events.at(-1)).toMatchObject({ type: "checkpoint", complete: false });
      expectShadowIsWal(opened.db, path);
    }
    reader.run("ROLLBACK");
    opened.db.sync();
    expect(opened.events.at(-1)).toMatchObject({ type: "checkpoint", complete: true });
    await commitElsewhere(path);
    opened.db.sync();
    expect(generationReasons(opened.events)).toEqual(["no generation exists"]);
    expect(opened.db.captured()?.position.index as number).toBe(1);
    reader.close();
  });

  test("says where there is no space for the shadow WAL, adds nothing half, and goes on when there is", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path, always);
    opened.db.sync();
    const position = opened.db.captured()?.position;
    const shadow = `${opened.db.metaPath}/generations/${position?.generation}/wal`;
    // After the checkpoint, the commit makes the next index due, whose file cannot be made.
    await commitElsewhere(path);
    mkdirSync(`${shadow}/00000001.wal`);
    expect(() => opened.db.sync()).toThrow(`cannot open ${shadow}/00000001.wal`);
    expect(opened.db.captured()?.position).toEqual(position);
    rmdirSync(`${shadow}/00000001.wal`);
    opened.db.sync();
    expect(opened.db.captured()?.position.index as number).toBe(1);
    expectShadowIsWal(opened.db, path);
  });
});

describe("Db.beginGeneration", () => {
  test("leaves the old generation going when it fails, and begins one when it can", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    using opened = openDb(path);
    const before = opened.db.captured()?.position.generation;
    const inTheWay = `${opened.db.metaPath}/generation.tmp`;
    mkdirSync(inTheWay);
    expect(() => opened.db.beginGeneration("page size changed")).toThrow("cannot open");
    await commitElsewhere(path);
    opened.db.sync();
    expect(opened.db.captured()?.position.generation).toBe(before);
    expectShadowIsWal(opened.db, path);

    rmdirSync(inTheWay);
    opened.db.beginGeneration("page size changed");
    expect(opened.db.captured()?.position.generation).not.toBe(before);
    expectShadowIsWal(opened.db, path);
  });
});

describe("Db.close", () => {
  test("leaves the WAL and its frames where they are", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    const size = statSync(`${path}-wal`).size;
    openDb(path)[Symbol.dispose]();
    expect(statSync(`${path}-wal`).size).toBe(size);
    expect(await transactionsElsewhere(path)).toBe(10);
  });

  test("frees the database for the next replicator and for every checkpoint", async () => {
    await using folder = await tempFolder();
    const path = await databaseIn(folder);
    openDb(path)[Symbol.dispose]();
    expect(await checkpointElsewhere(path, "TRUNCATE")).toMatchObject({ busy: 0 });
    expect(existsSync(`${path}-wal`)).toBe(true);
  });
});

/** A checkpoint that waits for nobody. */
async function checkpointElsewhere(path: string, mode: string): Promise<unknown> {
  const [row] = await sqlElsewhere(path, "PRAGMA busy_timeout = 0", `PRAGMA wal_checkpoint(${mode})`);
  return row;
}

async function restartWalElsewhere(path: string): Promise<void> {
  // While it is open, the others know that everything was moved.
  await using other = await spawnConnection({ path, persistWal: true });
  await other.all("PRAGMA wal_checkpoint(RESTART)");
  await commitElsewhere(path);
}

/** Runs `script` in another process, with `db` open and the -shm file as `shm`, which ends by a signal of its own. */
async function processThatDies(path: string, script: string): Promise<void> {
  const program = `
    import { Database } from "bun:sqlite";
    import { openSync, readSync, writeSync } from "node:fs";
    const db = new Database(${JSON.stringify(path)});
    db.run("PRAGMA wal_autocheckpoint = 0");
    const commit = () => db.run("UPDATE item SET payload = zeroblob(2000)");
    const shm = openSync(${JSON.stringify(`${path}-shm`)}, "r+");
    ${script}
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "ignore", "inherit"] });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
}

/** The same database, with what would make it checkpoint held back by an open snapshot. */
function openedWithoutCheckpoints({ db }: OpenedDb): Db {
  db.beginSnapshot();
  return db;
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

async function inRemoved(path: string): Promise<void> {
  await Bun.file(path).delete();
}
