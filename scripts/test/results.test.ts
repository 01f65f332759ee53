import { expect, test } from "bun:test";
import { addResults, formatSummary } from "../results.ts";

test("addResults adds counts and keeps every name", () => {
  const sum = addResults([
    { passed: 2, failed: ["a"], skipped: [] },
    { passed: 3, failed: ["b"], skipped: ["c (skipped: no Go)"] },
  ]);
  expect(sum).toEqual({ passed: 5, failed: ["a", "b"], skipped: ["c (skipped: no Go)"] });
});

test("formatSummary ends with the counts in one line", () => {
  const summary = formatSummary({ passed: 5, failed: ["core: a"], skipped: ["e2e: c (skipped: no Go)"] });
  expect(summary.split("\n").at(-1)).toBe("5 passed, 1 failed, 1 skipped");
  expect(summary).toContain("  core: a\n");
  expect(summary).toContain("  e2e: c (skipped: no Go)\n");
});
