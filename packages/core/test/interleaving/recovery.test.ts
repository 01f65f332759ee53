/** The wal-index is torn or lost under our locks, and somebody recovers it from the WAL (wal.c, walIndexRecover). */
import { describe, expect, test } from "bun:test";
import { spawnConnection } from "@litestream/testkit";
import { failureOf } from "../bytes.ts";
import type { Neighbour } from "./neighbour.ts";
import { beforeSteps, inMemory, insert, startScene, testShim } from "./scene.ts";

const oneGeneration = ["no generation exists"];

/** What becomes of the wal-index, at which offset of the -shm. */
const damages: Record<string, { offset: number; bytes: Uint8Array }> = {
  "is torn: one copy of its header is half written": { offset: 48 + 16, bytes: new Uint8Array(8).fill(0xa5) },
  "is torn: the other copy is": { offset: 16, bytes: new Uint8Array(8).fill(0xa5) },
  "has its header zeroed": { offset: 0, bytes: new Uint8Array(96) },
  "is zeroed, with its read marks": { offset: 0, bytes: new Uint8Array(136) },
  "is zeroed, with the hash table": { offset: 0, bytes: new Uint8Array(32_768) },
};

describe("the wal-index, under our locks,", () => {
  for (const pageSize of [512, 4096, 65536]) {
    for (const [what, { offset, bytes }] of Object.entries(damages)) {
      test(`${what}; a neighbour recovers it: one generation, equal bytes, page size ${pageSize}`, async () => {
        await using scene = await startScene(pageSize, inMemory);
        const { app } = scene;
        const vandal = scene.neighbour();
        // We sit on a mark; or on lock zero, of a WAL that was all moved, and may have been restarted, or truncated.
        for (const [minCheckpointPageCount, checkpoint] of [
          [1e9, "PASSIVE"],
          [1, "RESTART"],
          [1, "TRUNCATE"],
        ] as const) {
          for (const recover of ["SELECT * FROM t", insert("recovered")]) {
            const path = scene.makeDatabase(`${minCheckpointPageCount}-${checkpoint}-${recover.slice(0, 6)}.db`);
            const ours = await scene.replicate({ path, minCheckpointPageCount });
            await ours.sync();
            app.checkpoint(checkpoint);
            vandal.overwrite(`${path}-shm`, offset, bytes);
            app.run(recover);
            app.checkpoint("RESTART");
            app.run(insert("after"));
            await ours.expectSame(app);
            expect(ours.reasons).toEqual(oneGeneration);
            await ours.litestream.stop();
          }
        }
      });
    }
  }
});

describe("the wal-index, torn between two of our steps,", () => {
  /** What the neighbour does at once, as far as our locks allow it. */
  const acts: Record<string, (app: Neighbour) => void> = {
    "by a neighbour that reads": (app) => void app.attempt("SELECT * FROM t"),
    "by a neighbour that writes, and restarts the WAL": (app) => {
      app.attempt(insert("between"));
      app.attempt("PRAGMA wal_checkpoint(RESTART)");
      app.attempt(insert("between"));
    },
    "by us": () => undefined,
  };
  for (const [whom, act] of Object.entries(acts)) {
    for (const damage of ["has its header zeroed", "is zeroed, with its read marks"]) {
      const { offset, bytes } = damages[damage] ?? { offset: 0, bytes: new Uint8Array() };
      test(`${damage}, is recovered ${whom}: our sync succeeds, one generation, equal bytes`, async () => {
        await using scene = await startScene(4096, inMemory);
        const { app } = scene;
        const vandal = scene.neighbour();
        // Nobody changes the wal-index but under the write lock, and while we hold that, nobody tears it.
        for (let at = 0, last = Infinity; at <= last; at++) {
          const path = scene.makeDatabase(`${at}.db`);
          const ours = await scene.replicate({ path, minCheckpointPageCount: 1 });
          await ours.sync();
          app.run(insert("before"));
          {
            using _ = beforeSteps((number, step) => {
              if (step === "keep writers out") last = number;
              if (number !== at) return;
              vandal.overwrite(`${path}-shm`, offset, bytes);
              act(app);
            });
            await ours.sync();
          }
          app.checkpoint("TRUNCATE");
          await ours.expectSame(app);
          expect(ours.reasons).toEqual(oneGeneration);
          await ours.litestream.stop();
        }
      });
    }
  }
});

describe("a neighbour that recovers the wal-index while we look", () => {
  for (const isKilled of [false, true]) {
    testShim(`and is ${isKilled ? "killed" : "slow"}: our sync says that it is busy, then one generation`, async () => {
      await using scene = await startScene();
      const { app, path } = scene;
      const vandal = scene.neighbour();
      const shim = await scene.shim();
      const ours = await scene.replicate();
      await using slow = await spawnConnection({ path, environment: shim.environment, autocheckpointPages: 0 });
      await slow.run(insert("acknowledged"));
      const before = await ours.sync();
      vandal.overwrite(`${path}-shm`, 0, new Uint8Array(136));
      // Recovery reads the WAL from its header on, and holds every lock that keeps others out.
      shim.arm({ call: "read", file: "wal", nth: 2, action: "stop" });
      const recovery = failureOf(() => slow.run(insert("recovered")));
      await shim.reached(recovery);
      expect(await failureOf(() => ours.sync())).toMatchObject({ code: "DATABASE_BUSY" });
      expect(ours.litestream.position()).toEqual(before);
      if (isKilled) await slow.kill();
      else shim.resume();
      await recovery.catch(() => undefined);
      const names = isKilled ? ["first", "acknowledged"] : ["first", "acknowledged", "recovered"];
      expect(await ours.expectSame(app)).toEqual(names);
      expect(ours.reasons).toEqual(oneGeneration);
    });
  }
});
