/** What neighbours do between our steps, and right after one of our steps failed. */
import { describe, expect, test } from "bun:test";
import { isLitestreamError } from "../../src/errors.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { failureOf } from "../bytes.ts";
import type { Neighbour } from "./neighbour.ts";
import { beforeSteps, inMemory, insert, type Ours, type Scene, startScene } from "./scene.ts";

const oneGeneration = ["no generation exists"];

/** What the application does all at once; a lock that is not to be had makes it leave that out. */
type Act = (app: Neighbour, path: string) => void;

const acts = {
  "backfills, and restarts the WAL": (app) => {
    app.checkpoint("PASSIVE");
    app.attempt(insert("between"));
    app.checkpoint("RESTART");
    app.attempt(insert("between"));
  },
  "truncates the WAL": (app) => {
    app.attempt(insert("between"));
    app.checkpoint("TRUNCATE");
  },
  "closes, as the last one of the application, and comes back": (app, path) => {
    app.attempt(insert("between"));
    app.close();
    app.open(path);
    app.attempt(insert("between"));
  },
} satisfies Record<string, Act>;

/** A database of which all was moved, so that we sit on lock zero, and then one commit. */
async function startTour(scene: Scene): Promise<Ours> {
  const ours = await scene.replicate({ minCheckpointPageCount: 1 });
  await ours.sync();
  scene.app.run(insert("before"));
  return ours;
}

/** The steps of a sync, with a hand-over and a checkpoint, of a database in that state. */
const tour = await (async (): Promise<readonly string[]> => {
  await using scene = await startScene(4096, inMemory);
  const ours = await startTour(scene);
  const steps: string[] = [];
  using _ = beforeSteps((_number, step) => void steps.push(step));
  await ours.sync();
  return steps;
})();

test("the sync that is interrupted has every step but those that take back, prove, or begin a generation", () => {
  const steps = ["look", "copy", "begin read", "end read", "move bulk", "flush", "keep writers out", "move rest"];
  expect(new Set(tour)).toEqual(new Set([...steps, "let writers in"]));
});

describe("a neighbour, between two of our steps,", () => {
  for (const pageSize of [512, 4096, 65536]) {
    for (const [what, act] of Object.entries(acts)) {
      test(`${what}: one generation, equal bytes, page size ${pageSize}`, async () => {
        await using scene = await startScene(pageSize, inMemory);
        const { app } = scene;
        // Before each step once, and before every one.
        for (let at = -1; at < tour.length; at++) {
          const path = scene.makeDatabase(`${at}.db`);
          const ours = await scene.replicate({ path, minCheckpointPageCount: 1 });
          await ours.sync();
          app.run(insert("before"));
          {
            using _ = beforeSteps((number) => {
              if (number === at || at === -1) act(app, path);
            });
            await ours.sync();
          }
          await ours.expectSame(app);
          expect(ours.reasons).toEqual(oneGeneration);
          await ours.litestream.stop();
        }
      });
    }
  }

  test("truncates the WAL many times while idle: one generation, equal bytes", async () => {
    await using scene = await startScene(4096, inMemory);
    const { app } = scene;
    const ours = await scene.replicate({ minCheckpointPageCount: 1 });
    const before = await ours.sync();
    for (let round = 0; round < 10; round++) {
      for (let times = 0; times <= round % 3; times++) expect(app.checkpoint("TRUNCATE")).toBe(true);
      expect(await ours.sync()).toEqual(before);
    }
    expect(await ours.expectSame(app)).toEqual(["first"]);
    expect(ours.reasons).toEqual(oneGeneration);
  });

  for (const mode of ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] as const) {
    test(`holds the write lock when we want it, then makes a ${mode} checkpoint before our next sync`, async () => {
      await using scene = await startScene(4096, inMemory);
      const { app, path } = scene;
      const other = scene.neighbour(path);
      for (const end of ["ROLLBACK", "COMMIT"]) {
        const ours = await startTour(scene);
        {
          using _ = beforeSteps((_number, step) => {
            if (step === "keep writers out") app.run(`BEGIN IMMEDIATE; ${insert("kept us out")}`);
          });
          await ours.sync();
        }
        app.run(end);
        other.checkpoint(mode);
        other.run(insert("after"));
        other.checkpoint(mode);
        other.run(insert("after"));
        await ours.expectSame(other);
        expect(ours.reasons).toEqual(end === "ROLLBACK" ? oneGeneration : []);
        await ours.litestream.stop();
      }
    });
  }

  test("reads on in an old state across several of our checkpoints: one generation, equal bytes", async () => {
    await using scene = await startScene(4096, inMemory);
    const { app, path } = scene;
    const ours = await startTour(scene);
    const reader = scene.neighbour(path);
    for (let round = 0; round < 3; round++) {
      reader.run("BEGIN");
      const seen = reader.all("SELECT name FROM t");
      for (let commit = 0; commit < 4; commit++) {
        app.run(insert("meanwhile"));
        app.checkpoint("TRUNCATE");
        await ours.expectSame(app);
        expect(ours.checkpoints.at(-1)).toBe(false);
      }
      expect(reader.all("SELECT name FROM t")).toEqual(seen);
      reader.run("COMMIT");
      await ours.expectSame(app);
      expect(ours.checkpoints.at(-1)).toBe(true);
    }
    expect(ours.reasons).toEqual(oneGeneration);
  });
});

describe("a step of ours fails, and before our next sync a neighbour", () => {
  /** A transaction ends for certain: at worst its connection is closed. */
  const cannotFail: readonly string[] = ["end read", "let writers in"];
  /** The one step at which no read lock can be begun, and nobody may be kept out any longer. */
  const losesTheLock = tour.lastIndexOf("begin read");
  const after: Record<string, { act: Act; mayRestart: boolean }> = {
    "does nothing": { act: () => undefined, mayRestart: false },
    commits: { act: (app) => app.run(insert("after")), mayRestart: true },
    ...Object.fromEntries(Object.entries(acts).map(([what, act]) => [what, { act, mayRestart: true }])),
  };
  for (const [what, { act, mayRestart }] of Object.entries(after)) {
    test(`${what}: one generation, equal bytes, but where no lock could be had: another, with its reason`, async () => {
      await using scene = await startScene(4096, inMemory);
      const { app } = scene;
      for (const [at, name] of tour.entries()) {
        if (cannotFail.includes(name)) continue;
        const path = scene.makeDatabase(`${at}.db`);
        const ours = await scene.replicate({ path, minCheckpointPageCount: 1 });
        await ours.sync();
        app.run(insert("before"));
        {
          using _ = beforeSteps((number) => {
            if (number === at) throw new Error("no space left");
          });
          expect(String(await failureOf(() => ours.sync()))).toContain("no space left");
        }
        act(app, path);
        await ours.expectSame(app);
        const isLost = mayRestart && at === losesTheLock;
        expect(ours.reasons).toEqual([...oneGeneration, ...(isLost ? ["wal restarted while not replicating"] : [])]);
        await ours.litestream.stop();
      }
    });
  }
});

describe("a file operation of ours fails in a sync, and before the next one a neighbour", () => {
  for (const [what, isForGood, minCheckpointPageCount] of [
    ["backfills, and restarts the WAL", false, 1],
    ["truncates the WAL", true, 1],
    ["backfills, and restarts the WAL", true, 1e9],
  ] as const) {
    const how = isForGood ? "so do all that follow" : "the next ones succeed";
    const where = minCheckpointPageCount === 1 ? "in the next WAL" : "in the same WAL";
    test(`${what}, ${where} (${how}): one generation, equal bytes`, async () => {
      await using scene = await startScene(4096, inMemory);
      const { app } = scene;
      for (let at = 0, isOver = false; !isOver; at++) {
        const path = scene.makeDatabase(`${at}.db`);
        const ours = await scene.replicate({ path, minCheckpointPageCount });
        await ours.sync();
        app.run(insert("before"));
        let number = 0;
        {
          using _ = handleFaultPoints((point) => {
            if (point.kind !== "file") return;
            const isDue = isForGood ? number >= at : number === at;
            number += 1;
            if (isDue) throw Object.assign(new Error("EIO: injected"), { code: "EIO" });
          });
          // What is no more than a convenience may fail in silence.
          await ours.sync().catch((error: unknown) => expect(isLitestreamError(error)).toBe(true));
          isOver = number <= at;
        }
        const act: Act = acts[what];
        act(app, path);
        await ours.expectSame(app);
        expect(ours.reasons).toEqual(oneGeneration);
        await ours.litestream.stop();
      }
    });
  }
});
