import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { committedPrefix, integrityCheck } from "@litestream/testkit";
import { LiveSource } from "../restore/live-source.ts";

const script = fileURLToPath(new URL("./following-process.ts", import.meta.url));

/** @returns true when it came to the end before it was to be killed */
async function followKilledAt(source: LiveSource, killAt: number): Promise<boolean> {
  const child = Bun.spawn([process.execPath, script, source.replicaPath, source.copyPath, String(killAt)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  await child.exited;
  if (child.signalCode === "SIGKILL") return false;
  if (child.exitCode !== 0) throw new Error(`it ended with exit code ${child.exitCode}`);
  return true;
}

/** Kills a follower before the first thing that it does, the second, and so on, each time with something new to do. */
async function killEverywhere(source: LiveSource, change: () => Promise<void>): Promise<number> {
  await followKilledAt(source, Infinity);
  let shown = committedPrefix(source.copyPath);
  for (let killAt = 1; ; killAt++) {
    await change();
    const isOver = await followKilledAt(source, killAt);
    expect(integrityCheck(source.copyPath)).toBe("ok");
    const shows = committedPrefix(source.copyPath);
    expect(shows).toBeGreaterThanOrEqual(shown);
    expect(shows).toBeLessThanOrEqual(source.transactions);
    shown = shows;
    if (!isOver) continue;
    expect(shows).toBe(source.transactions);
    return killAt;
  }
}

describe("a follower that is killed before anything that it does", () => {
  test("leaves a committed state, and goes on from it", async () => {
    await using source = await LiveSource.start();
    expect(await killEverywhere(source, () => source.commit(1))).toBeGreaterThan(6);
  }, 120_000);

  test("leaves a committed state where another generation replaces the one it had", async () => {
    await using source = await LiveSource.start();
    const change = async (): Promise<void> => {
      await source.commit(1);
      await source.beginGeneration();
    };
    expect(await killEverywhere(source, change)).toBeGreaterThan(6);
  }, 120_000);

  test("restores anew where it had no copy yet", async () => {
    for (const killAt of [1, 2, 3, 4]) {
      await using source = await LiveSource.start();
      await followKilledAt(source, killAt);
      await source.commit(1);
      expect(await followKilledAt(source, Infinity)).toBe(true);
      expect(committedPrefix(source.copyPath)).toBe(source.transactions);
    }
  }, 120_000);
});
