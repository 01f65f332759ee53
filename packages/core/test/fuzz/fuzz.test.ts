import { expect, test } from "bun:test";
import { tempFolder } from "@litestream/testkit";
import { fixtureReplicas, type FuzzCase, Fuzzer } from "./fuzz.ts";

/** `bun run fuzz` does 10,000; this many are in every run of the tests, of other seeds each time. */
const cases = Number(process.env["LITESTREAM_FUZZ_CASES"] ?? 300);

test("restore of a damaged replica gives the undamaged rows or a typed error, never others in silence", async () => {
  const seed = Number(process.env["LITESTREAM_FUZZ_SEED"] ?? Date.now() % 1e9);
  console.log(`LITESTREAM_FUZZ_SEED=${seed}`);
  await using folder = await tempFolder();
  const fuzzer = await Fuzzer.create(folder, fixtureReplicas());
  const bugs: FuzzCase[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < cases; i++) {
    const found = await fuzzer.run(seed + i);
    seen.add(found.outcome);
    if (found.outcome === "silent" || found.outcome === "crash") bugs.push(found);
  }
  expect(bugs).toEqual([]);
  expect(seen.has("refused")).toBe(true);
  expect(seen.has("same")).toBe(true);
}, 300_000);
