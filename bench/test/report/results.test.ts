import { expect, test } from "bun:test";
import { tempFolder } from "@litestream/testkit";
import { readResults, type Results, writeResults } from "../../src/report/results.ts";

test("writeResults returns what a later run reads", async () => {
  await using folder = await tempFolder();
  const path = folder.join("kept/results.json");
  const idle = {
    measuredAt: "2026-01-01T00:00:00.000Z",
    scale: "quick",
    rounds: 1,
    loadAverage: 2 / 3,
    cases: { "1 database": { ours: [{ cpu: 1 / 3 }] } },
  } as const;
  const results: Results = { machine: "made up", versions: {}, workloads: { idle } };
  const kept = writeResults(path, results);
  expect(readResults(path)).toEqual(kept);
  expect(kept.workloads["idle"]?.cases).toEqual({ "1 database": { ours: [{ cpu: 0.3333 }] } });
});
