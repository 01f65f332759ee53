import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { integrityCheck, rowsDigest, tempFolder, type TempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import { restore } from "../../src/restore/restore.ts";
import { failureOf } from "../bytes.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

interface Setup extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly path: string;
  readonly db: Db;
  readonly replica: FileReplica;
  readonly events: LitestreamEventBody[];
  /** Files of the replica, below its only generation. */
  readonly files: () => string[];
  readonly file: (name: string) => string;
  /** Another replicator's life: same database, same folder. */
  reopen(): FileReplica;
}

/** A database and its replica, without loops; disposal restores it and compares every row. */
async function setUp(options: { checkpoint?: boolean } = {}): Promise<Setup> {
  const folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const events: LitestreamEventBody[] = [];
  const checkpoint = {
    minPageCount: options.checkpoint === true ? 1 : 1e9,
    maxPageCount: 0,
    intervalMs: 0,
    retryMs: 1000,
    forcedRetryMs: 10_000,
  };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, (event) => events.push(event));
  db.open();
  const newReplica = (): FileReplica =>
    new FileReplica(db, { path: folder.join("replica"), monitorEnabled: false }, (event) => events.push(event));
  let replica = newReplica();
  const generationFolder = (): string =>
    folder.join("replica", "generations", db.captured()?.position.generation ?? "");
  return {
    folder,
    path,
    db,
    replica,
    events,
    files: () =>
      (readdirSync(generationFolder(), { recursive: true }) as string[])
        .filter((name) => /^(?:wal|snapshots)\/./.test(name))
        .sort(),
    file: (name) => `${generationFolder()}/${name}`,
    reopen: () => (replica = newReplica()),
    async [Symbol.asyncDispose]() {
      db.sync();
      await replica.sync();
      db.close();
      await expectRestores(replica, path, folder);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function expectRestores(replica: FileReplica, path: string, folder: TempFolder): Promise<void> {
  const outputPath = folder.join("restored.db");
  await restore({ replica, outputPath });
  expect(integrityCheck(outputPath)).toBe("ok");
  expect(rowsDigest(outputPath)).toBe(rowsDigest(path));
}

async function commitAndSync({ db, path, replica }: Setup): Promise<void> {
  await commitElsewhere(path);
  db.sync();
  await syncAndSettle(replica);
}

/** Superseded WAL is compressed by then, or that has failed. */
async function syncAndSettle(replica: FileReplica): Promise<void> {
  await replica.sync();
  await replica.settled();
}

const wal0 = "wal/00000000.wal";
const wal1 = "wal/00000001.wal";
const snapshot0 = "snapshots/00000000.snapshot.lz4";

describe("FileReplica.sync", () => {
  test("takes a snapshot of a generation that has none, then copies the WAL up to the captured position", async () => {
    await using setup = await setUp();
    expect(await setup.replica.sync()).toEqual(setup.db.captured()?.position as never);
    expect(setup.files()).toEqual([snapshot0, wal0]);
    expect(setup.replica.lastPos()).toEqual(setup.db.captured()?.position as never);
    expect(setup.replica).toMatchObject({ name: "file", type: "file", db: setup.db });
  });

  test("shows a generation only once it has both its snapshot and the WAL that belongs to it", async () => {
    await using setup = await setUp();
    const generations = setup.folder.join("replica", "generations");
    const shown: string[][] = [];
    using _ = handleFaultPoints((point) => {
      if (point.kind !== "file" || point.operation !== "rename" || dirname(point.to) !== generations) return;
      const names = readdirSync(point.path, { recursive: true }) as string[];
      shown.push(names.filter((name) => /^(?:wal|snapshots)\/./.test(name)).toSorted());
    });
    const { generation } = await setup.replica.sync();
    expect(shown).toEqual([[snapshot0, wal0]]);
    expect(readdirSync(generations)).toEqual([generation]);
  });

  test("does not take a second snapshot, and reports what it copied", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    await commitAndSync(setup);
    const snapshots = setup.events.filter((event) => event.type === "snapshot");
    expect(snapshots).toHaveLength(1);
    const syncs = setup.events.flatMap((event) => (event.type === "replica-sync" ? [event] : []));
    expect(syncs).toHaveLength(2);
    expect(syncs.at(-1)?.position).toEqual(setup.db.captured()?.position as never);
    expect(syncs.at(-1)?.bytes).toBeGreaterThan(4096);
    await setup.replica.sync();
    expect(setup.events.filter((event) => event.type === "replica-sync")).toHaveLength(2);
  });

  test("gives files and folders the mode of the database and its folder", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    const mode = (path: string): number => statSync(path).mode & 0o777;
    for (const name of [snapshot0, wal0]) expect(mode(setup.file(name))).toBe(mode(setup.path));
    expect(mode(setup.file("wal"))).toBe(mode(setup.folder.path));
  });

  test("compresses a superseded WAL and keeps the newest as it is", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    setup.db.sync();
    for (let i = 0; i < 3; i++) await commitAndSync(setup);
    const position = setup.replica.lastPos();
    expect(position?.index as number).toBeGreaterThan(1);
    expect(setup.files().filter((name) => name.endsWith(".wal"))).toHaveLength(1);
    expect(setup.files()).toContain(`${wal0}.lz4`);
    expect(setup.files().join()).not.toContain(".tmp");
  });

  test("reports a position before it compresses what that superseded", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    setup.db.sync();
    await commitAndSync(setup);
    const types = setup.events.map(({ type }) => type).filter((type) => type !== "sync" && type !== "checkpoint");
    expect(types.slice(-2)).toEqual(["replica-sync", "wal-compressed"]);
  });

  test("keeps calls that overlap apart", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    for (let i = 0; i < 3; i++) {
      await commitElsewhere(setup.path);
      setup.db.sync();
      const positions = await Promise.all([setup.replica.sync(), setup.replica.sync(), setup.replica.sync()]);
      for (const position of positions) expect(position).toEqual(setup.db.captured()?.position as never);
    }
  });

  test("forgets its position on an error, and computes it anew once the cause is gone", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    const wal = setup.file(wal0);
    const content = readFileSync(wal);
    rmSync(wal);
    mkdirSync(wal);
    await commitElsewhere(setup.path);
    setup.db.sync();
    expect(await failureOf(() => setup.replica.sync())).toHaveProperty("message", expect.stringContaining(wal));
    expect(setup.replica.lastPos()).toBeUndefined();
    rmSync(wal, { recursive: true });
    writeFileSync(wal, content);
    await setup.replica.sync();
    expect(setup.replica.lastPos()).toEqual(setup.db.captured()?.position as never);
  });
});

describe("FileReplica.calcPos", () => {
  test("finds the last whole commit of what the replica holds", async () => {
    await using setup = await setUp();
    const position = await setup.replica.sync();
    expect(await setup.replica.calcPos(position.generation)).toEqual(position);
    writeFileSync(setup.file(wal0), Buffer.concat([readFileSync(setup.file(wal0)), Buffer.alloc(5000)]));
    expect(await setup.replica.calcPos(position.generation)).toEqual(position);
  });

  test("reads a WAL that is left only compressed", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    setup.db.sync();
    await commitAndSync(setup);
    rmSync(setup.file(wal1));
    const generation = setup.db.captured()?.position.generation;
    if (generation === undefined) throw new Error("no generation");
    const position = await setup.replica.calcPos(generation);
    expect(position?.index as number).toBe(0);
    expect(position?.offset).toBeGreaterThan(32);
    setup.reopen();
  });
});

describe("FileReplica after a crash or a change from outside", () => {
  const damages: Record<string, (setup: Setup) => void> = {
    "a torn last frame": ({ file }) => truncateSync(file(wal0), statSync(file(wal0)).size - 1),
    "a tail of zeros": ({ file }) =>
      writeFileSync(file(wal0), Buffer.concat([readFileSync(file(wal0)), Buffer.alloc(9999)])),
    "a last frame that never reached the disk": ({ file }) => {
      const bytes = readFileSync(file(wal0));
      bytes.fill(0, bytes.byteLength - 4120);
      writeFileSync(file(wal0), bytes);
    },
    "an empty WAL file": ({ file }) => truncateSync(file(wal0), 0),
    "a WAL file with half a header": ({ file }) => truncateSync(file(wal0), 16),
    "no WAL file": ({ file }) => rmSync(file(wal0)),
    "no snapshot": ({ file }) => rmSync(file(snapshot0)),
    "a snapshot that was being written": ({ file }) => writeFileSync(file(`${snapshot0}.tmp`), "half"),
  };
  for (const [name, damage] of Object.entries(damages)) {
    test(`goes on in the same generation after ${name}`, async () => {
      await using setup = await setUp();
      const { generation } = await setup.replica.sync();
      damage(setup);
      const replica = setup.reopen();
      await replica.start();
      await commitElsewhere(setup.path);
      setup.db.sync();
      const position = await replica.sync();
      expect(position).toEqual(setup.db.captured()?.position as never);
      expect(position.generation).toBe(generation);
      expect(setup.files()).toEqual([snapshot0, wal0]);
    });
  }

  test("begins a generation when the replica differs from the shadow WAL at its end", async () => {
    await using setup = await setUp();
    const { generation } = await setup.replica.sync();
    // Another WAL of the same length, from another database: whole, valid, and not ours.
    const other = setup.folder.join("other.db");
    await makeDatabase(other);
    writeFileSync(setup.file(wal0), readFileSync(`${other}-wal`));
    const position = await setup.reopen().sync();
    expect(position.generation).not.toBe(generation);
    expect(setup.events).toContainEqual({
      type: "generation",
      generation: position.generation,
      reason: "replica differs from the shadow wal",
    });
  });

  test("begins a generation when the replica is ahead of the shadow WAL", async () => {
    await using setup = await setUp({ checkpoint: true });
    const { generation } = await setup.replica.sync();
    writeFileSync(setup.file("wal/00000007.wal"), readFileSync(setup.file(wal0)));
    const position = await setup.reopen().sync();
    expect(position.generation).not.toBe(generation);
  });

  test("copies a WAL again that is left only compressed and has grown since", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    setup.db.sync();
    await commitAndSync(setup);
    await commitAndSync(setup);
    rmSync(setup.file(setup.files().at(-1) ?? ""));
    const position = await setup.reopen().sync();
    expect(position).toEqual(setup.db.captured()?.position as never);
  });

  test("compresses again when a crash left the WAL beside its compressed form", async () => {
    await using setup = await setUp({ checkpoint: true });
    await setup.replica.sync();
    const whole = readFileSync(setup.file(wal0));
    setup.db.sync();
    await commitAndSync(setup);
    writeFileSync(setup.file(wal0), whole);
    await syncAndSettle(setup.reopen());
    expect(existsSync(setup.file(wal0))).toBe(false);
    expect(existsSync(setup.file(`${wal0}.lz4`))).toBe(true);
  });

  test("begins a generation when a superseded WAL of the replica was damaged before it was compressed", async () => {
    await using setup = await setUp({ checkpoint: true });
    const { generation } = await setup.replica.sync();
    setup.db.sync();
    const whole = readFileSync(setup.file(wal0));
    await commitAndSync(setup);
    writeFileSync(setup.file(wal0), whole.fill(7, 500, 600));
    const reopened = setup.reopen();
    await syncAndSettle(reopened);
    const position = await reopened.sync();
    expect(position.generation).not.toBe(generation);
    expect(setup.events).toContainEqual({
      type: "generation",
      generation: position.generation,
      reason: "replica differs from the shadow wal",
    });
  });

  test("removes temporaries of an earlier life before it writes, and only those", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    writeFileSync(setup.file("wal/00000003.wal.lz4.tmp"), "half");
    writeFileSync(setup.folder.join("replica", "notes.tmp"), "of the user");
    const pending = setup.folder.join("replica", "generations", "0123456789abcdef.tmp");
    mkdirSync(`${pending}/snapshots`, { recursive: true });
    writeFileSync(`${pending}/${snapshot0}`, "half");
    const replica = setup.reopen();
    await replica.start();
    await replica.sync();
    expect(existsSync(pending)).toBe(false);
    expect(setup.files()).toEqual([snapshot0, wal0]);
    expect(existsSync(setup.folder.join("replica", "notes.tmp"))).toBe(true);
  });
});

describe("FileReplica.check", () => {
  test("names what is wrong with the folder, and changes nothing", async () => {
    await using setup = await setUp();
    await setup.replica.sync();
    const replicaAt = (path: string): FileReplica => new FileReplica(setup.db, { path }, () => undefined);
    const file = setup.folder.join("file");
    writeFileSync(file, "");
    const missing = setup.folder.join("no", "such");
    expect(() => replicaAt(missing).check()).toThrow(
      `cannot replicate to ${missing}: ${setup.folder.join("no")} does not exist`,
    );
    expect(() => replicaAt(file).check()).toThrow(file);
    expect(() => replicaAt(`${file}/below`).check()).toThrow(file);
    replicaAt(setup.folder.join("new")).check();
    expect(existsSync(setup.folder.join("new"))).toBe(false);
  });
});
