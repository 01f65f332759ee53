import { describe, expect, test } from "bun:test";
import { LoadSchedule, type LoadShape, transactionsDue } from "../../src/workload/load-shape.ts";

const shapes: readonly LoadShape[] = [
  { type: "constant", rate: 7 },
  { type: "burst", transactions: 5, periodMs: 300 },
  { type: "random", rate: 40, seed: 3 },
  { type: "wave", lowRate: 0, highRate: 90, periodMs: 1500 },
];

describe.each(shapes)("a load of type $type", (shape) => {
  test("never takes back what was due, and depends on nothing but the time", () => {
    const schedule = new LoadSchedule(shape);
    let before = 0;
    for (let ms = 0; ms < 5000; ms += 37) {
      const due = schedule.due(ms);
      expect(due).toBeGreaterThanOrEqual(before);
      expect(due).toBe(transactionsDue(shape, ms));
      before = due;
    }
    expect(before).toBeGreaterThan(0);
  });

  test("says when the next transaction falls due", () => {
    const schedule = new LoadSchedule(shape);
    for (let i = 0; i < 100; i++) {
      const due = schedule.due(schedule.nextMs - 1e-6);
      expect(schedule.due(schedule.nextMs)).toBeGreaterThan(due);
    }
  });

  test("is due nothing before the start", () => {
    expect(transactionsDue(shape, -1)).toBe(0);
  });
});

test("a constant load is due evenly, the first at once", () => {
  const shape: LoadShape = { type: "constant", rate: 4 };
  expect([0, 249, 250, 999, 1000].map((ms) => transactionsDue(shape, ms))).toEqual([1, 1, 2, 4, 5]);
});

test("a burst is due all at once, and then nothing until the next", () => {
  const shape: LoadShape = { type: "burst", transactions: 10, periodMs: 1000 };
  expect([0, 999, 1000, 1999, 2000].map((ms) => transactionsDue(shape, ms))).toEqual([10, 10, 20, 20, 30]);
});

test("a random load has its rate on average, gaps of every size, and a schedule for each seed", () => {
  const seconds = 1000;
  const counts = (seed: number): number[] =>
    Array.from({ length: 20 }, (_, i) => transactionsDue({ type: "random", rate: 10, seed }, i * 100));
  expect(transactionsDue({ type: "random", rate: 10, seed: 1 }, seconds * 1000)).toBeWithin(9_500, 10_500);
  expect(counts(1)).toEqual(counts(1));
  expect(counts(1)).not.toEqual(counts(2));

  const schedule = new LoadSchedule({ type: "random", rate: 10, seed: 1 });
  const gaps = Array.from({ length: 10_000 }, () => {
    const from = schedule.nextMs;
    schedule.due(from);
    return schedule.nextMs - from;
  });
  // Of an exponential distribution 1 - 1/e lie below the mean, and e^-3 above three times that.
  expect(gaps.filter((gap) => gap < 100).length / gaps.length).toBeWithin(0.61, 0.65);
  expect(gaps.filter((gap) => gap > 300).length / gaps.length).toBeWithin(0.04, 0.06);
});

test("a wave is slow at the ends of its period and fast in the middle", () => {
  const shape: LoadShape = { type: "wave", lowRate: 10, highRate: 110, periodMs: 60_000 };
  const inSecond = (s: number): number => transactionsDue(shape, s * 1000 + 999.999) - transactionsDue(shape, s * 1000);
  expect(inSecond(0)).toBeWithin(9, 12);
  expect(inSecond(15)).toBeWithin(57, 66);
  expect(inSecond(30)).toBeWithin(108, 111);
  expect(inSecond(60)).toBeWithin(9, 12);
  expect(transactionsDue(shape, 60_000 - 1)).toBeWithin(3599, 3602);
});

const refused: readonly (readonly [string, LoadShape])[] = [
  ["a constant load cannot have rate 0", { type: "constant", rate: 0 }],
  ["a constant load cannot have rate NaN", { type: "constant", rate: Number.NaN }],
  ["a burst load cannot have transactions 1.5", { type: "burst", transactions: 1.5, periodMs: 10 }],
  ["a burst load cannot have periodMs 0", { type: "burst", transactions: 1, periodMs: 0 }],
  ["a random load cannot have rate -1", { type: "random", rate: -1, seed: 0 }],
  ["a random load cannot have rate Infinity", { type: "random", rate: Infinity, seed: 0 }],
  ["a wave load cannot have highRate 1", { type: "wave", lowRate: 2, highRate: 1, periodMs: 10 }],
];

test.each(refused)("LoadSchedule refuses what could not go on for ever: %s", (message, shape) => {
  expect(() => new LoadSchedule(shape)).toThrow(message);
});
