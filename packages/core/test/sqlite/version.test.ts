import { expect, test } from "bun:test";
import { knownSqliteProblem } from "../../src/sqlite/version.ts";

test("knownSqliteProblem names the releases with the WAL-reset bug, and no other", () => {
  for (const version of ["3.7.0", "3.40.1", "3.51.2"]) expect(knownSqliteProblem(version)?.message).toContain(version);
  for (const version of ["3.6.23", "3.51.3", "3.54.1", "4.0.0"]) expect(knownSqliteProblem(version)).toBeUndefined();
});
