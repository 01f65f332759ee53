import { describe, expect, test } from "bun:test";
import { didYouMean, editDistance, nearest } from "../src/nearest.ts";

const commands = ["replicate", "restore", "version", "help"];

describe("nearest", () => {
  test.each([
    ["replciate", "replicate"],
    ["Restore", "restore"],
    ["restor", "restore"],
    ["rep", "replicate"],
    ["verison", "version"],
    ["hlep", "help"],
  ])("finds for %s the command %s", (word, expected) => {
    expect(nearest(word, commands)).toBe(expected);
  });

  test("finds nothing for a word that is like none", () => {
    expect(nearest("bogus", commands)).toBeUndefined();
    expect(nearest("x", ["o", "v"])).toBeUndefined();
    expect(nearest("O", ["o", "v"])).toBe("o");
    expect(nearest("output", ["o", "v"])).toBeUndefined();
    expect(nearest("", commands)).toBeUndefined();
  });
});

test("editDistance counts insertions, deletions, substitutions and swaps as one each", () => {
  expect(editDistance("config", "config")).toBe(0);
  expect(editDistance("confg", "config")).toBe(1);
  expect(editDistance("conffig", "config")).toBe(1);
  expect(editDistance("canfig", "config")).toBe(1);
  expect(editDistance("ocnfig", "config")).toBe(1);
  expect(editDistance("", "abc")).toBe(3);
});

test("didYouMean is a question with the prefix, or nothing", () => {
  expect(didYouMean("confg", ["config"], "-")).toBe('; did you mean "-config"?');
  expect(didYouMean("zzz", ["config"], "-")).toBe("");
});
