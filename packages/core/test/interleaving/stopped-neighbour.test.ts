/** Neighbours that are halted, or slow, at a moment that matters, with whatever locks they hold. */
import { describe, expect } from "bun:test";
import { spawnConnection, type SyscallFault } from "@litestream/testkit";
import type { LitestreamEvent } from "../../src/events.ts";
import { beforeSteps, insert, startScene, testShim } from "./scene.ts";

const oneGeneration = ["no generation exists"];

describe("a writer stopped in mid-commit, with the write lock,", () => {
  const moments: Record<string, SyscallFault> = {
    "before its first frame": { call: "write", file: "wal", action: "stop" },
    "between two frames": { call: "write", file: "wal", nth: 3, action: "stop" },
    "in the flush of all of them": { call: "sync", file: "wal", action: "stop" },
  };
  for (const [when, fault] of Object.entries(moments)) {
    for (const maxCheckpointPageCount of [0, 1]) {
      const mode = maxCheckpointPageCount === 0 ? "a checkpoint" : "a forced checkpoint";
      testShim(`${when} keeps neither sync nor ${mode} from going on: one generation, equal bytes`, async () => {
        await using scene = await startScene();
        const { app, path } = scene;
        const shim = await scene.shim();
        // What is not forced waits for the write lock a fraction of the busy timeout: else this would take an hour.
        const busyTimeoutMs = maxCheckpointPageCount === 0 ? 3_600_000 : 5;
        const ours = await scene.replicate({ minCheckpointPageCount: 1, maxCheckpointPageCount, busyTimeoutMs });
        await using writer = await spawnConnection({ path, environment: shim.environment, autocheckpointPages: 0 });
        await ours.sync();
        app.run(insert("acknowledged"));
        shim.arm(fault);
        const commit = writer.run(insert("late", 5000));
        await shim.reached(commit);
        for (let round = 0; round < 3; round++) {
          await ours.expectSameNow(app);
          // Nothing is moved that we have not copied, and nobody was kept out.
          expect(app.attempt(insert("in vain"))).toBe(false);
        }
        expect(ours.events.findLast(({ type }) => type === "checkpoint")).toMatchObject({ writeLockMs: 0 });
        shim.resume();
        await commit;
        expect(await ours.expectSame(app)).toEqual(["first", "acknowledged", "late"]);
        expect(ours.reasons).toEqual(oneGeneration);
      });
    }
  }
});

describe("a neighbour stopped in its own checkpoint", () => {
  const moments: Record<string, { sql: string; fault: SyscallFault }> = {
    "between two pages": { sql: "PRAGMA wal_checkpoint", fault: { call: "write", file: "db", nth: 2, action: "stop" } },
    "before the flush of the database": {
      sql: "PRAGMA wal_checkpoint",
      fault: { call: "sync", file: "db", action: "stop" },
    },
    "before it truncates": {
      sql: "PRAGMA wal_checkpoint(TRUNCATE)",
      fault: { call: "truncate", file: "wal", action: "stop" },
    },
  };
  for (const [when, { sql, fault }] of Object.entries(moments)) {
    for (const isKilled of [false, true]) {
      const end = isKilled ? "killed" : "resumed";
      testShim(`${when}, as our first snapshot is taken, then ${end}: equal bytes, in one generation`, async () => {
        await using scene = await startScene();
        const { app, path } = scene;
        const shim = await scene.shim();
        await using neighbour = await spawnConnection({ path, environment: shim.environment, autocheckpointPages: 0 });
        for (let n = 0; n < 5; n++) app.run(insert("to be moved", 3000));
        shim.arm(fault);
        const statement = neighbour.run(sql).catch((error: unknown) => error);
        await shim.reached(statement);
        const ours = await scene.replicate({ minCheckpointPageCount: 1 });
        // It may hold every lock there is: then nobody can begin to read, and we wait.
        const early = await ours.sync().catch((error: unknown) => error);
        if (early instanceof Error) expect(early).toMatchObject({ code: "DATABASE_BUSY" });
        else expect(await ours.restored()).toEqual(app.serialize());
        if (isKilled) await neighbour.kill();
        else shim.resume();
        await statement;
        await ours.expectSame(app);
        expect(ours.reasons).toEqual(oneGeneration);
      });
    }
  }
});

describe("a commit that is published late", () => {
  for (const how of ["is delayed", "is stopped until we looked in vain"]) {
    testShim(`since its flush ${how}, is captured without a poll`, async () => {
      await using scene = await startScene();
      const { app, path } = scene;
      const shim = await scene.shim();
      const synced = new Signal();
      const take = (event: LitestreamEvent): void => void (event.type === "replica-sync" && synced.raise());
      const ours = await scene.replicate({ monitorEnabled: true, monitorIntervalMs: 3_600_000, onEvent: take });
      await using writer = await spawnConnection({ path, environment: shim.environment, autocheckpointPages: 0 });
      await writer.run(insert("acknowledged"));
      const before = await ours.sync();
      const next = synced.next();
      const looked = new Signal();
      const looks = new Set(["look", "poll"]);
      using _ = beforeSteps((_number, step) => void (looks.has(step) && looked.raise()));
      if (how === "is delayed") {
        shim.arm({ call: "sync", file: "wal", action: "delay", delayMs: 100 });
        await writer.run(insert("late"));
      } else {
        shim.arm({ call: "sync", file: "wal", action: "stop" });
        const commit = writer.run(insert("late"));
        await shim.reached(commit);
        await looked.next();
        expect(ours.litestream.position()).toEqual(before);
        shim.resume();
        await commit;
      }
      // Nothing is written any more, and a poll is an hour away.
      await next;
      expect(ours.litestream.position()).not.toEqual(before);
      expect(await ours.restored()).toEqual(app.serialize());
      expect(ours.reasons).toEqual(oneGeneration);
    });
  }
});

/** Something that happens again and again, and can be waited for. */
class Signal {
  #next = Promise.withResolvers<void>();

  raise(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  next(): Promise<void> {
    return this.#next.promise;
  }
}
