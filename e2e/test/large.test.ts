import { expect, test } from "bun:test";
import { isWithinMemory, runLarge } from "../src/large.ts";

test("a database of 300 MB is replicated and restored byte for byte within 150 MB of memory", async () => {
  const run = await runLarge(300e6);
  expect(run.transactions).toBeGreaterThan(0);
  expect(run).toSatisfy(isWithinMemory);
}, 180_000);
