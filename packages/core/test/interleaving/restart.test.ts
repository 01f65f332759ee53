/** Our own restart: what became of the database meanwhile, and with which reason a generation begins, if one does. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import type { Neighbour } from "./neighbour.ts";
import { inMemory, insert, type Scene, startScene } from "./scene.ts";

const frameBytes = 24 + 4096;
const restarted = "wal restarted while not replicating";

interface Meanwhile {
  /** @returns the application's connection of then, if it is another one */
  readonly change: (scene: Scene) => Neighbour | void | Promise<Neighbour>;
  /** Of the generation that begins; the old one goes on where there is none. */
  readonly reason?: string;
}

const meanwhile: Record<string, Meanwhile> = {
  "is unchanged": { change: () => undefined },
  "has grown": { change: ({ app }) => app.run(insert("meanwhile")) },
  "was moved into the database file, and not restarted": { change: ({ app }) => void app.checkpoint("FULL") },
  "was restarted once": { change: ({ app }) => restart(app, 1), reason: restarted },
  "was restarted twice": { change: ({ app }) => restart(app, 2), reason: restarted },
  "is to be restarted by the next writer": { change: ({ app }) => void app.checkpoint("RESTART") },
  "was truncated": { change: ({ app }) => void app.checkpoint("TRUNCATE"), reason: restarted },
  "was deleted by the application's last close": {
    change: ({ app, path }) => {
      app.close();
      expect(existsSync(`${path}-wal`)).toBe(false);
      app.open(path);
    },
    reason: restarted,
  },
  "was deleted so, and another begun": {
    change: ({ app, path }) => {
      app.close();
      app.open(path);
      app.run(insert("meanwhile"));
    },
    reason: restarted,
  },
  "was deleted, and the database file replaced": {
    change: (scene) => {
      const { app, path } = scene;
      scene.makeDatabase("other.db");
      app.run(insert("of another database"));
      app.close();
      for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
      renameSync(scene.folder.join("other.db"), path);
      app.open(path);
    },
    reason: restarted,
  },
  "was replaced, with the database file, by those of another database": {
    change: async (scene) => {
      const { app, path, folder } = scene;
      scene.makeDatabase("other.db");
      app.run(insert("of another database"));
      // Killed, it leaves its WAL.
      await app.kill();
      rmSync(`${path}-shm`, { force: true });
      for (const suffix of ["", "-wal"]) renameSync(folder.join(`other.db${suffix}`), `${path}${suffix}`);
      return scene.neighbour(path);
    },
    reason: restarted,
  },
  "lost its last commit, as in a power cut": {
    change: (scene) => loseLastCommit(scene),
    reason: "wal truncated by another process",
  },
  "lost its last commit, as in a power cut, and others stand in its place": {
    change: async (scene) => {
      const app = await loseLastCommit(scene);
      for (const name of ["second", "third"]) app.run(insert(name));
      return app;
    },
    reason: "wal overwritten by another process",
  },
};

function restart(app: Neighbour, times: number): void {
  for (let n = 0; n < times; n++) {
    expect(app.checkpoint("RESTART")).toBe(true);
    app.run(insert("meanwhile"));
  }
}

/** Everybody dies, and the WAL's last frame was never on the disk. */
async function loseLastCommit(scene: Scene): Promise<Neighbour> {
  const { app, path } = scene;
  await app.kill();
  truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - frameBytes);
  return scene.neighbour(path);
}

describe("our restart, when the WAL meanwhile", () => {
  for (const [what, { change, reason }] of Object.entries(meanwhile)) {
    const expected = reason === undefined ? "the same generation goes on" : `a generation, "${reason}"`;
    for (const isKilled of [false, true]) {
      test(`${what}: ${expected}, ${isKilled ? "after a kill" : "after a stop"}`, async () => {
        await using scene = await startScene(4096, inMemory);
        const earlier = await scene.replicate();
        scene.app.run(insert("captured"));
        const before = await earlier.sync();
        if (isKilled) earlier.kill();
        else await earlier.litestream.stop();

        const app = (await change(scene)) ?? scene.app;
        const ours = await scene.replicate();
        expect(ours.reasons).toEqual(reason === undefined ? [] : [reason]);
        await ours.expectSame(app);
        expect(ours.reasons).toEqual(reason === undefined ? [] : [reason]);
        expect((await ours.sync()).generation === before.generation).toBe(reason === undefined);
      });
    }
  }
});

describe("a database that is replaced while we replicate it", () => {
  test("is opened anew by the next sync: a generation, and the bytes of the new one", async () => {
    await using scene = await startScene(4096, inMemory);
    const { app, path, folder } = scene;
    const ours = await scene.replicate();
    const { generation } = await ours.sync();
    scene.makeDatabase("other.db");
    app.run(insert("of another database"));
    app.close();
    for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`);
    renameSync(folder.join("other.db"), path);
    app.open(path);
    app.run(insert("after"));
    expect(await ours.expectSame(app)).toEqual(["first", "of another database", "after"]);
    expect((await ours.sync()).generation).not.toBe(generation);
    expect(ours.reasons).toEqual(["no generation exists", "database replaced"]);
  });

  test("in place, its WAL and wal-index removed, is opened anew; no frame of the dead WAL gets in", async () => {
    await using scene = await startScene(4096, inMemory);
    const { app, path } = scene;
    // Frames that are in the WAL alone, and that a checkpoint of ours would write over the other database.
    const ours = await scene.replicate({ minCheckpointPageCount: 5 });
    app.run(insert("captured"));
    const { generation } = await ours.sync();
    const other = scene.makeDatabase("other.db");
    for (let n = 0; n < 20; n++) app.run(insert("of another database"));
    app.close();
    for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`);
    copyFileSync(other, path);
    app.open(path);
    for (let n = 0; n < 20; n++) app.run(insert("after"));
    const expected = app.serialize();
    expect((await ours.sync()).generation).not.toBe(generation);
    expect(app.serialize()).toEqual(expected);
    await ours.expectSame(app);
    expect(ours.reasons).toEqual(["no generation exists", "database replaced"]);
    await ours.litestream.stop();
    app.checkpoint("TRUNCATE");
    expect(app.all("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
  });

  for (const ending of ["stop", "closeNow"] as const) {
    test(`in place, while nobody has it open, is not touched by our ${ending}, though we are the last`, async () => {
      await using scene = await startScene(4096, inMemory);
      const { app, path } = scene;
      const ours = await scene.replicate();
      for (let n = 0; n < 20; n++) app.run(insert("in the WAL alone"));
      await ours.sync();
      const other = scene.makeDatabase("other.db");
      app.close();
      const backup = readFileSync(other);
      for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`);
      copyFileSync(other, path);
      await ours.litestream[ending]();
      expect(readFileSync(path).equals(backup)).toBe(true);
    });
  }
});
