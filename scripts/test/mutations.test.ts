import { describe, expect, test } from "bun:test";
import { mutations } from "../mutation-list.ts";
import { mutated, sourceOf } from "../mutations.ts";

describe("each rule that `mutations` takes out", () => {
  for (const mutation of mutations) {
    test(`is still where it was: ${mutation.name}`, async () => {
      const source = await sourceOf(mutation);
      expect(mutated(source, mutation)).not.toBe(source);
      expect(mutation.caughtBy).not.toBe("");
    });
  }

  test("has a name of its own", () => {
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
  });
});
