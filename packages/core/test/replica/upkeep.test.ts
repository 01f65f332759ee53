import { expect, test } from "bun:test";
import type { LitestreamEventBody } from "../../src/events.ts";
import { Upkeep } from "../../src/replica/upkeep.ts";

test("Upkeep repeats each task by its own times, says what fails, and tries that again", async () => {
  const events: LitestreamEventBody[] = [];
  const upkeep = new Upkeep("r", (event) => void events.push(event));
  let runs = 0;
  const done = Promise.withResolvers<void>();
  upkeep.start({
    operation: "retention",
    firstAfterMs: 1,
    retryAfterMs: 1,
    run: async () => {
      runs++;
      if (runs === 2) throw new Error("not now");
      if (runs === 4) done.resolve();
      return runs < 4 ? 1 : Infinity;
    },
  });
  await done.promise;
  await upkeep.stop();
  expect(events).toEqual([{ type: "error", operation: "retention", replica: "r", error: new Error("not now") }]);
  expect(runs).toBe(4);
});

test("Upkeep does at once what becomes due sooner, and once more if that happens while it is under way", async () => {
  const upkeep = new Upkeep("r", () => undefined);
  const gate = Promise.withResolvers<void>();
  const began = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let runs = 0;
  const wake = upkeep.start({
    operation: "snapshot",
    firstAfterMs: Infinity,
    retryAfterMs: 1,
    run: async () => {
      began[runs++]?.resolve();
      await gate.promise;
      return Infinity;
    },
  });
  wake();
  await began[0]?.promise;
  wake();
  gate.resolve();
  await began[1]?.promise;
  await upkeep.stop();
  expect(runs).toBe(2);
});

test("Upkeep.stop ends what is under way, which is no failure", async () => {
  const events: LitestreamEventBody[] = [];
  const upkeep = new Upkeep("r", (event) => void events.push(event));
  const began = Promise.withResolvers<void>();
  upkeep.start({
    operation: "validation",
    firstAfterMs: 0,
    retryAfterMs: 1,
    run: async (signal) => {
      began.resolve();
      const { promise, reject } = Promise.withResolvers<number>();
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      return promise;
    },
  });
  await began.promise;
  await upkeep.stop();
  expect(events).toEqual([]);
});
