import { expect, test } from "bun:test";
import { pollEvery } from "../../src/db/poll-clock.ts";

test("polls of one interval share a timer, and it ends with the last of them", async () => {
  const calls: string[] = [];
  const ticks = Promise.withResolvers<void>();
  const endA = pollEvery(5, () => calls.push("a"));
  const endB = pollEvery(5, () => {
    calls.push("b");
    if (calls.length >= 4) ticks.resolve();
  });
  await ticks.promise;
  // One after the other in the same tick.
  expect(calls.slice(0, 4)).toEqual(["a", "b", "a", "b"]);
  endA();
  calls.length = 0;
  const again = Promise.withResolvers<void>();
  const endC = pollEvery(5, () => again.resolve());
  await again.promise;
  expect(calls).not.toContain("a");
  endB();
  endC();
  calls.length = 0;
  await Bun.sleep(20);
  expect(calls).toEqual([]);
});
