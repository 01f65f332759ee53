/** What no other test would miss, as the mutations showed (scripts/mutations.ts): one test for each such rule. */
import { expect, test } from "bun:test";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { skipWhen } from "@litestream/testkit/skip";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import { commitElsewhere, databaseIn, sqlElsewhere } from "../child.ts";
import { always, openDb } from "./opened-db.ts";

const testOnLinux = skipWhen(process.platform !== "linux", "only Linux lists the locks of a process");

test("frames that are valid, and whole, and not those of the wal-index are not copied", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  using opened = openDb(path);
  const { db } = opened;
  const position = db.captured()?.position;
  const otherPath = folder.join("other-wal");
  await commitTwice(path, otherPath);

  // As a disk would have it that gives back what was there before.
  const wal = readFileSync(`${path}-wal`);
  writeFileSync(`${path}-wal`, readFileSync(otherPath));
  expect(() => db.sync()).toThrow("its frames do not match its wal-index");
  expect(db.captured()?.position).toEqual(position);
  writeFileSync(`${path}-wal`, wal);
  db.sync();
  expect(db.captured()?.position.offset).toBeGreaterThan(position?.offset ?? 0);
});

testOnLinux("a snapshot that is read leaves our lock on the database file", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  const before = sharedLocks();
  using opened = openDb(path);
  const { db } = opened;
  expect(sharedLocks()).toBe(before + 1);
  using snapshot = db.beginSnapshot();
  for await (const _chunk of snapshot.content());
  snapshot.end();
  // Without it an application on an older SQLite (3.40, here) deletes the WAL when its last connection closes.
  expect(sharedLocks()).toBe(before + 1);
});

test("a copy that failed after a part of it costs no more than that one sync", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  using opened = openDb(path);
  const { db } = opened;
  // More than is read at once.
  await sqlElsewhere(path, "CREATE TABLE large AS SELECT zeroblob(3000000) AS data");
  let reads = 0;
  {
    using _faults = handleFaultPoints((point) => {
      if (point.kind !== "file" || point.operation !== "read" || !point.path.endsWith("-wal")) return;
      if (++reads === 2) throw Object.assign(new Error("EIO: injected"), { code: "EIO" });
    });
    expect(() => db.sync()).toThrow("EIO");
  }
  db.sync();
  const { generation, offset } = db.captured()?.position ?? {};
  const shadow = readFileSync(`${db.metaPath}/generations/${generation}/wal/00000000.wal`);
  expect(shadow.equals(readFileSync(`${path}-wal`).subarray(0, offset))).toBe(true);
});

test("a shadow WAL is durable before the next one exists", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  const points: string[] = [];
  using _faults = handleFaultPoints((point) => {
    const name = point.kind === "file" ? /\/wal\/(\w+)\.wal$/.exec(point.path)?.[1] : undefined;
    if (point.kind === "file" && name !== undefined) points.push(`${point.operation} ${name}`);
  });
  using opened = openDb(path, { ...always, retryMs: 0 });
  const { db } = opened;
  db.sync();
  for (let index = 1; index <= 3; index++) {
    // The checkpoint of the one before has moved everything, so that this commit restarts the WAL.
    await commitElsewhere(path);
    db.sync();
    const [last, next] = [index - 1, index].map((number) => number.toString(16).padStart(8, "0"));
    const synced = points.lastIndexOf(`sync ${last}`);
    expect(synced).toBeGreaterThan(points.lastIndexOf(`write ${last}`));
    expect(synced).toBeLessThan(points.indexOf(`create ${next}`));
  }
});

test("a torn tail of the replica's WAL goes, though less is added than it had", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  const replicaPath = folder.join("replica");
  using opened = openDb(path);
  const { db } = opened;
  const newReplica = (): FileReplica =>
    new FileReplica(db, { path: replicaPath, monitorEnabled: false }, () => undefined);
  const { generation } = await newReplica().sync();
  const walPath = `${replicaPath}/generations/${generation}/wal/00000000.wal`;
  appendFileSync(walPath, new Uint8Array(1e6));
  await commitElsewhere(path);
  db.sync();
  const { offset } = await newReplica().sync();
  expect(readFileSync(walPath).equals(readFileSync(`${path}-wal`).subarray(0, offset))).toBe(true);
});

/** How many database files this process has SQLite's SHARED lock on, the bytes from 2^30 + 2 on. */
function sharedLocks(): number {
  const locks = readFileSync("/proc/locks", "utf8").split("\n");
  return locks.filter((lock) => lock.includes(` READ ${process.pid} `) && lock.includes(` ${2 ** 30 + 2} `)).length;
}

/**
 * Commits to the database from another process, copies the WAL, takes the commit back, and commits as many frames of
 * other content in its place.
 */
async function commitTwice(path: string, copyPath: string): Promise<void> {
  const program = `
    import { Database } from "bun:sqlite";
    import { copyFileSync, openSync, readSync, writeSync } from "node:fs";
    const db = new Database(${JSON.stringify(path)});
    db.run("PRAGMA wal_autocheckpoint = 0");
    const commit = (byte) => db.run("UPDATE marker SET digest = ? WHERE n = 1", [byte.repeat(64)]);
    const shm = openSync(${JSON.stringify(`${path}-shm`)}, "r+");
    const header = Buffer.alloc(96);
    readSync(shm, header, 0, 96, 0);
    commit("a");
    copyFileSync(${JSON.stringify(`${path}-wal`)}, ${JSON.stringify(copyPath)});
    writeSync(shm, header, 0, 96, 0);
    commit("b");
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "ignore", "inherit"] });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
}
