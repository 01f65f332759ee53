import { copyFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnConnection } from "@litestream/testkit";
import { isLitestreamError, Litestream, openReplica, restore } from "@litestream/core";
import type { World } from "./world.ts";

/** Something that happens around a replicated database; when it has resolved, all is as it should be again. */
export type Happening = (world: World) => Promise<void>;

const besides = ["-wal", "-shm"] as const;

function removeDatabase(path: string, suffixes: readonly string[] = ["", ...besides]): void {
  for (const suffix of suffixes) rmSync(`${path}${suffix}`, { force: true });
}

/** They wait for our read lock, which is not let go for them, and keep all writers out meanwhile. */
async function checkpoint(world: World, mode: "RESTART" | "TRUNCATE"): Promise<void> {
  await using connection = await spawnConnection({ path: world.path, persistWal: true, busyTimeoutMs: 500 });
  await connection.all(`PRAGMA wal_checkpoint(${mode})`);
}

/** Waits until our own checkpoints, and one here, have moved all of the WAL into the database file. */
async function untilMoved(world: World): Promise<void> {
  await using connection = await spawnConnection({ path: world.path, persistWal: true, busyTimeoutMs: 500 });
  for (;;) {
    await world.sync();
    const [row] = await connection.all("PRAGMA wal_checkpoint(PASSIVE)");
    if (row?.["busy"] === 0 && row["log"] === row["checkpointed"]) return;
    await Bun.sleep(100);
  }
}

async function sql(world: World, ...statements: string[]): Promise<unknown> {
  await using connection = await spawnConnection({ path: world.path, busyTimeoutMs: 20_000 });
  let rows: unknown;
  for (const statement of statements) rows = await connection.all(statement);
  return rows;
}

/** What can happen anywhere, by name. */
const anywhere: Readonly<Record<string, Happening>> = {
  nothing: async () => Bun.sleep(500),

  "database deleted, and created later": async (world) => {
    await world.stopWriter("kill");
    const from = world.events.length;
    removeDatabase(world.path);
    world.forgetDatabase();
    await world.event("that the database is waited for", ({ type }) => type === "waiting", from);
    await world.startWriter();
  },

  "database replaced by another file": async (world) => {
    const other = world.join("other.db");
    await world.stopWriter("kill");
    await world.makeDatabase(other);
    removeDatabase(world.path, besides);
    renameSync(other, world.path);
    removeDatabase(other);
    await world.startWriter();
  },

  "database restored in place": async (world) => {
    await world.sync();
    const backup = world.join("backup.db");
    await restore({ replica: openReplica({ path: world.replicaPath }), outputPath: backup });
    await world.stopWriter("kill");
    removeDatabase(world.path, besides);
    copyFileSync(backup, world.path);
    rmSync(backup);
    await world.startWriter();
  },

  VACUUM: async (world) => {
    await sql(world, "VACUUM");
  },

  "page size changed while stopped": async (world) => {
    await world.stopWriter("stop");
    await world.stopReplication();
    await sql(world, "PRAGMA journal_mode = delete", "PRAGMA page_size = 2048", "VACUUM", "PRAGMA journal_mode = wal");
    await world.startReplication();
    await world.startWriter();
  },

  "rollback journal asked for": async (world) => {
    await using connection = await spawnConnection({ path: world.path, persistWal: true });
    const refused = await connection.all("PRAGMA journal_mode = delete").then(
      () => false,
      () => true,
    );
    if (!refused) throw new Error("a database was taken out of WAL mode while it is replicated");
  },

  "checkpoint TRUNCATE by another process": (world) => checkpoint(world, "TRUNCATE"),

  "checkpoint RESTART by another process": (world) => checkpoint(world, "RESTART"),

  // Once all of the WAL is in the database file: to remove it earlier breaks a database, replicated or not
  // (https://www.sqlite.org/howtocorrupt.html, section 1.4).
  "WAL and wal-index removed": async (world) => {
    await world.stopWriter("kill");
    await untilMoved(world);
    removeDatabase(world.path, besides);
    await world.startWriter();
  },

  "meta directory removed": async (world) => {
    rmSync(world.metaPath, { recursive: true, force: true });
  },

  "meta directory corrupt, at a restart": async (world) => {
    await world.stopReplication();
    const generations = join(world.metaPath, "generations");
    for (const name of readdirSync(generations, { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(".wal")) truncateSync(join(generations, name), world.random.below(5000));
    }
    if (world.random.below(2) === 0) writeFileSync(join(world.metaPath, "generation"), "nonsense");
    await world.startReplication();
  },

  "a reader of 2 seconds": async (world) => {
    await using reader = await spawnConnection({ path: world.path, persistWal: true });
    await reader.all("BEGIN");
    await reader.all("SELECT count(*) FROM sqlite_schema");
    await Bun.sleep(2000);
    await reader.all("COMMIT");
  },

  "a write transaction of 2 seconds": async (world) => {
    await using writer = await spawnConnection({ path: world.path, persistWal: true, busyTimeoutMs: 20_000 });
    await writer.all("BEGIN IMMEDIATE");
    await Bun.sleep(2000);
    await writer.all("ROLLBACK");
  },

  "writer killed": async (world) => {
    await world.stopWriter("kill");
    await world.startWriter();
  },

  "writer stopped": async (world) => {
    await world.stopWriter("stop");
    await world.startWriter();
  },

  "engine killed": async (world) => {
    for (const pid of world.children()) process.kill(pid, "SIGKILL");
  },

  "engine halted for a second": async (world) => {
    const pids = world.children();
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    await Bun.sleep(1000);
    for (const pid of pids) process.kill(pid, "SIGCONT");
  },

  "replication stopped and started": async (world) => {
    await world.stopReplication();
    await Bun.sleep(world.random.below(500));
    await world.startReplication();
  },

  "a second replicator": async (world) => {
    const second = new Litestream({
      path: world.path,
      metaPath: world.metaPath,
      replicas: [{ path: world.join("second") }],
      engine: "inline",
    });
    try {
      await second.start();
      throw new Error("two replicators of one database run at the same time");
    } catch (error) {
      if (!isLitestreamError(error, "DATABASE_IN_USE")) throw error;
    } finally {
      second.closeNow();
    }
  },
};

/** What needs file systems of one's own. */
const withDisks: Readonly<Record<string, Happening>> = {
  "disk of the meta directory full": (world) => diskFull(world, "meta"),
  "disk of the replica full": (world) => diskFull(world, "replica"),
};

async function diskFull(world: World, which: "meta" | "replica"): Promise<void> {
  const disk = world.disks?.[which];
  if (disk === undefined) throw new Error("there is no disk that could be full");
  const from = world.events.length;
  // What is let go there gives space back, which is taken, too, until there is none.
  const filling = setInterval(() => void disk.fill().catch(() => undefined), 50);
  await world
    .event("that the disk is full", (event) => event.type === "disk-full" && event.isFull, from)
    .finally(() => clearInterval(filling));
  await Bun.sleep(1000);
  await disk.free();
  await world.sync();
  await world.event("that there is space again", (event) => event.type === "disk-full" && !event.isFull, from);
}

export function happeningsIn(world: World): ReadonlyMap<string, Happening> {
  return new Map(Object.entries(world.disks === undefined ? anywhere : { ...anywhere, ...withDisks }));
}
