import { expect, test } from "bun:test";
import { runSoak } from "../src/soak/soak.ts";

const seed = Number(process.env["LITESTREAM_SOAK_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

test("a database under attack is restored as it is, page for page, whenever it is looked at", async () => {
  console.log(`LITESTREAM_SOAK_SEED=${seed}`);
  const rounds = await runSoak({ seed, durationMs: 12_000, roundMs: 5_000 });
  console.log(rounds.map((round) => JSON.stringify(round)).join("\n"));
  // Each round ends with a comparison; the first one that is not as it should be throws.
  expect(rounds.length).toBeGreaterThan(0);
  for (const { comparisons } of rounds) expect(comparisons).toBeGreaterThan(0);
}, 300_000);
