import { describe, expect, test } from "bun:test";
import { randomInt } from "node:crypto";
import { type FollowedLayout, runFollow } from "../src/follow/follow.ts";

/** The short form of `npm run follow`. Errors name the seed. */
async function run(layout: FollowedLayout, durationMs: number, generationEveryMs: number): Promise<void> {
  const seed = randomInt(2 ** 32);
  try {
    const done = await runFollow({ layout, seed, durationMs, killEveryMs: 1500, generationEveryMs });
    if (done === undefined) return;
    expect(done.transactions).toBeGreaterThan(10);
    expect(done.states).toBeGreaterThan(2);
    expect(done.kills).toBeGreaterThan(0);
    expect(done.generations).toBe(layout === "whole" ? 2 : 1);
  } catch (error) {
    throw new Error(`seed ${seed}, layout ${layout}`, { cause: error });
  }
}

describe("restore -f shows readers nothing but committed states, killed again and again", () => {
  test("of a replica of ours, also when another generation begins", () => run("whole", 7000, 4000), 120_000);
  test("of a replica by Litestream 0.3.13", () => run("segments", 4000, Infinity), 120_000);
  test("of a replica by Litestream 0.5", () => run("ltx", 4000, Infinity), 120_000);
});
