import { expect, test } from "bun:test";
import { runSurroundings } from "../src/surroundings/surroundings.ts";

const seed = Number(process.env["LITESTREAM_SURROUNDINGS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

test("whatever happens around a database, what was acknowledged before a sync is in a restore", async () => {
  console.log(`LITESTREAM_SURROUNDINGS_SEED=${seed}`);
  const { comparisons, happened } = await runSurroundings(seed, 12_000);
  console.log(JSON.stringify(happened));
  // Each thing that happened ends with a comparison; the first that is not as it should be throws.
  expect(comparisons).toBeGreaterThan(1);
}, 300_000);
