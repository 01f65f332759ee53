import { expect, test } from "bun:test";
import { SeededRandom } from "../src/seeded-random.ts";

test("SeededRandom gives these numbers for these seeds, for ever", () => {
  const random = new SeededRandom(1, 2);
  expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([3227067960, 706875478, 3671972329]);
});

test("SeededRandom.fill goes on where uint32 left off", () => {
  const [a, b] = [new SeededRandom(5), new SeededRandom(5)];
  const bytes = a.fill(new Uint8Array(10));
  const words = new Uint32Array([b.uint32(), b.uint32(), b.uint32()]);
  expect(bytes).toEqual(new Uint8Array(words.buffer, 0, 10));
  expect(a.uint32()).toBe(b.uint32());
});

test("SeededRandom streams differ in each seed", () => {
  const first = [[1], [2], [1, 0], [1, 1], [0, 1]].map((seeds) => new SeededRandom(...seeds).uint32());
  expect(new Set(first).size).toBe(5);
});

test("SeededRandom.below stays below its limit and reaches every number", () => {
  const random = new SeededRandom(9);
  const seen = new Set(Array.from({ length: 200 }, () => random.below(5)));
  expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
});
