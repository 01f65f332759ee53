/** Writers that die, fail, or take back what they wrote: only what the wal-index says was ever committed. */
import { describe, expect, test } from "bun:test";
import { type ConnectionProcess, spawnConnection, type SyscallFault, type SyscallShim } from "@litestream/testkit";
import { failureOf } from "../bytes.ts";
import { committedFrames, insert, inMemory, type Scene, startScene, testShim } from "./scene.ts";

const oneGeneration = ["no generation exists"];

function spawnWriter(scene: Scene, shim: SyscallShim): Promise<ConnectionProcess> {
  return spawnConnection({ path: scene.path, environment: shim.environment, autocheckpointPages: 0 });
}

/** Lets `writer` write a transaction into the WAL, whole, and halts it in the flush after which it would publish it. */
async function stopInCommit(
  writer: ConnectionProcess,
  shim: SyscallShim,
  nthSync: number = 1,
): Promise<{ readonly failure: Promise<unknown> }> {
  shim.arm({ call: "sync", file: "wal", nth: nthSync, action: "stop" });
  const failure = failureOf(() => writer.run(insert("killed", 3000)));
  await shim.reached(failure);
  return { failure };
}

describe("a writer killed in the fsync of its commit, after we looked", () => {
  for (const pageSize of [512, 1024, 4096, 65536]) {
    for (const restarts of [false, true]) {
      const where = restarts ? "a WAL that it restarted" : "a WAL that it added to";
      testShim(`is overwritten by the next writer in ${where}: not in our copy, page size ${pageSize}`, async () => {
        await using scene = await startScene(pageSize);
        const { app, path } = scene;
        const shim = await scene.shim();
        const ours = await scene.replicate({ minCheckpointPageCount: restarts ? 1 : 1e9 });
        await using writer = await spawnWriter(scene, shim);
        await writer.run(insert("acknowledged"));
        const before = await ours.sync();
        const frames = committedFrames(path);
        // The first flush of a WAL that was restarted is that of its header.
        const { failure } = await stopInCommit(writer, shim, restarts ? 2 : 1);
        // Its transaction stands in the file, complete and valid.
        expect(committedFrames(path)).toBeGreaterThan(restarts ? 0 : frames);
        expect(await ours.sync()).toEqual(before);
        await writer.kill();
        await failure;
        expect(await ours.sync()).toEqual(before);

        app.run(insert("next"));
        expect(await ours.expectSame(app)).toEqual(["first", "acknowledged", "next"]);
        expect(ours.reasons).toEqual(oneGeneration);
      });
    }
  }

  testShim("was the only other connection, and we keep the wal-index: it is lost, as for everybody", async () => {
    await using scene = await startScene();
    const { app, path } = scene;
    const shim = await scene.shim();
    const ours = await scene.replicate();
    app.close();
    await using writer = await spawnWriter(scene, shim);
    const { failure } = await stopInCommit(writer, shim);
    const before = await ours.sync();
    await writer.kill();
    await failure;
    app.open(path);
    expect(app.all("SELECT name FROM t")).toEqual([{ name: "first" }]);
    expect(await ours.sync()).toEqual(before);
    expect(await ours.expectSame(app)).toEqual(["first"]);
    expect(ours.reasons).toEqual(oneGeneration);
  });

  for (const byUs of [true, false]) {
    const whom = byUs ? "us" : "a later opener";
    testShim(`was the last connection of all; recovery by ${whom} makes its transaction true, and ours`, async () => {
      await using scene = await startScene();
      const { app, path } = scene;
      const shim = await scene.shim();
      const first = await scene.replicate();
      const { generation } = await first.sync();
      await using writer = await spawnWriter(scene, shim);
      app.close();
      first.kill();
      const { failure } = await stopInCommit(writer, shim);
      await writer.kill();
      await failure;
      // The first to open the database, when nobody has, recovers all that is valid in the WAL.
      if (!byUs) {
        app.open(path);
        expect(app.all("SELECT name FROM t")).toEqual([{ name: "first" }, { name: "killed" }]);
      }
      const ours = await scene.replicate();
      if (byUs) app.open(path);
      expect(await ours.expectSame(app)).toEqual(["first", "killed"]);
      expect((await ours.sync()).generation).toBe(generation);
      expect(ours.reasons).toEqual([]);
    });
  }

  testShim(
    "is made true by a neighbour's recovery under our locks: captured then, in the same generation",
    async () => {
      await using scene = await startScene();
      const { app, path } = scene;
      const vandal = scene.neighbour();
      const shim = await scene.shim();
      const ours = await scene.replicate();
      await using writer = await spawnWriter(scene, shim);
      const { failure } = await stopInCommit(writer, shim);
      const before = await ours.sync();
      await writer.kill();
      await failure;
      vandal.overwrite(`${path}-shm`, 0, new Uint8Array(96));
      expect(app.all("SELECT name FROM t")).toEqual([{ name: "first" }, { name: "killed" }]);
      expect((await ours.sync()).offset).toBeGreaterThan(before.offset);
      expect(await ours.expectSame(app)).toEqual(["first", "killed"]);
      expect(ours.reasons).toEqual(oneGeneration);
    },
  );
});

describe("a writer killed at any of its calls", () => {
  const kinds: Record<string, { sql: string; minCheckpointPageCount: number; faults: SyscallFault[] }> = {
    "while it adds to the WAL": {
      sql: insert("dead", 3000),
      minCheckpointPageCount: 1e9,
      faults: [
        { call: "write", file: "wal", action: "kill" },
        { call: "write", file: "wal", action: "torn", bytes: 17 },
        { call: "sync", file: "wal", action: "kill", when: "after" },
      ],
    },
    "while it restarts the WAL": {
      sql: insert("dead", 3000),
      minCheckpointPageCount: 1,
      faults: [
        { call: "write", file: "wal", action: "kill" },
        { call: "write", file: "wal", action: "torn", bytes: 17 },
        { call: "sync", file: "wal", action: "kill", when: "after" },
      ],
    },
    "while it truncates the WAL": {
      sql: "PRAGMA wal_checkpoint(TRUNCATE)",
      minCheckpointPageCount: 1,
      faults: [
        { call: "truncate", file: "wal", action: "kill" },
        { call: "truncate", file: "wal", action: "kill", when: "after" },
      ],
    },
  };
  for (const [when, { sql, minCheckpointPageCount, faults }] of Object.entries(kinds)) {
    testShim(`${when} leaves one generation, with the bytes of the database`, async () => {
      await using scene = await startScene();
      const { app } = scene;
      const shim = await scene.shim();
      const ours = await scene.replicate({ minCheckpointPageCount });
      let kills = 0;
      for (const fault of faults) {
        for (let nth = 1; ; nth++) {
          await ours.sync();
          await using writer = await spawnWriter(scene, shim);
          await writer.all("SELECT * FROM t");
          shim.arm({ ...fault, nth });
          const statement = writer.run(sql).then(
            () => "done",
            () => "killed",
          );
          const wasKilled = (await statement) === "killed";
          shim.disarm();
          app.run(insert("next"));
          await ours.expectSameNow(app);
          if (!wasKilled) break;
          kills += 1;
        }
      }
      expect(kills).toBeGreaterThanOrEqual(faults.length);
      expect(ours.reasons).toEqual(oneGeneration);
    });
  }
});

describe("a writer whose fsync fails", () => {
  for (const when of ["before", "after"] as const) {
    testShim(`${when} the flush has no commit: what it wrote is not in our copy, whoever writes next`, async () => {
      await using scene = await startScene();
      const { app, path } = scene;
      const shim = await scene.shim();
      const ours = await scene.replicate();
      await using writer = await spawnWriter(scene, shim);
      for (const next of [app, writer]) {
        const frames = committedFrames(path);
        const before = await ours.sync();
        shim.arm({ call: "sync", file: "wal", action: "error", errno: "EIO", when });
        expect(String(await failureOf(() => writer.run(insert("failed", 3000))))).toContain("disk I/O error");
        expect(committedFrames(path)).toBeGreaterThan(frames);
        expect(await ours.sync()).toEqual(before);
        await next.run(insert("next"));
        await ours.expectSame(app);
      }
      expect(await ours.expectSame(app)).toEqual(["first", "next", "next"]);
      expect(ours.reasons).toEqual(oneGeneration);
    });
  }

  testShim("and after which everybody dies: recovery makes the failed commit true, and then it is ours", async () => {
    await using scene = await startScene();
    const { app, path } = scene;
    const shim = await scene.shim();
    const first = await scene.replicate();
    await first.sync();
    await using writer = await spawnWriter(scene, shim);
    app.close();
    shim.arm({ call: "sync", file: "wal", action: "error", errno: "EIO" });
    await failureOf(() => writer.run(insert("failed")));
    await first.sync();
    expect(await first.restored()).toEqual(await serialized(scene));
    await writer.kill();
    first.kill();
    const ours = await scene.replicate();
    app.open(path);
    expect(await ours.expectSame(app)).toEqual(["first", "failed"]);
    expect(ours.reasons).toEqual([]);
  });

  testShim("as it restarts the WAL leaves one generation", async () => {
    await using scene = await startScene();
    const { app } = scene;
    const shim = await scene.shim();
    const ours = await scene.replicate({ minCheckpointPageCount: 1 });
    await using writer = await spawnWriter(scene, shim);
    for (const nth of [1, 2]) {
      await ours.sync();
      shim.arm({ call: "sync", file: "wal", nth, action: "error", errno: "EIO" });
      expect(String(await failureOf(() => writer.run(insert("failed"))))).toContain("disk I/O error");
      expect(await ours.expectSame(app)).toEqual(["first"]);
    }
    expect(ours.reasons).toEqual(oneGeneration);
  });
});

describe("a transaction that spills into the WAL", () => {
  const spill = `PRAGMA cache_size = 5; BEGIN; ${insert("spilled", 20_000).concat("; ").repeat(10)}`;
  const ends: Record<string, { end: (scene: Scene, app: Scene["app"]) => void; names: number }> = {
    "and is rolled back": { end: (_, app) => app.run("ROLLBACK"), names: 1 },
    "and is committed": { end: (_, app) => app.run("COMMIT"), names: 11 },
    "and whose savepoint is rolled back": {
      end: (_, app) => {
        app.run(`SAVEPOINT s; ${insert("taken back", 20_000).concat("; ").repeat(10)}; ROLLBACK TO s; COMMIT`);
      },
      names: 11,
    },
  };
  for (const [how, { end, names }] of Object.entries(ends)) {
    for (const minCheckpointPageCount of [1, 1e9]) {
      const where = minCheckpointPageCount === 1 ? "a restarted WAL" : "a WAL with frames";
      test(`${how} is copied as the database has it: ${where}`, async () => {
        await using scene = await startScene(4096, inMemory);
        const { app, path } = scene;
        const witness = scene.neighbour(path);
        const ours = await scene.replicate({ minCheckpointPageCount });
        for (let round = 0; round < 2; round++) {
          const before = await ours.sync();
          app.run(`DELETE FROM t WHERE name != 'first'`);
          await ours.sync();
          app.run(spill);
          expect(Bun.file(`${path}-wal`).size).toBeGreaterThan(40 * 4096);
          const during = await ours.sync();
          expect(during.generation).toBe(before.generation);
          expect(await ours.restored()).toEqual(witness.serialize());
          end(scene, app);
          expect(await ours.expectSame(witness)).toHaveLength(names);
        }
        expect(ours.reasons).toEqual(oneGeneration);
      });
    }
  }

  test("of a writer that is killed is overwritten", async () => {
    await using scene = await startScene(4096, inMemory);
    const { app, path } = scene;
    const ours = await scene.replicate();
    const writer = scene.neighbour(path);
    writer.run(spill);
    await ours.sync();
    await writer.kill();
    await ours.sync();
    expect(await ours.expectSame(app)).toEqual(["first"]);
    expect(ours.reasons).toEqual(oneGeneration);
  });
});

/** The database as a neighbour sees it that comes for this, and ends as if killed. */
async function serialized(scene: Scene): Promise<Buffer> {
  await using witness = scene.neighbour(scene.path);
  return witness.serialize();
}
