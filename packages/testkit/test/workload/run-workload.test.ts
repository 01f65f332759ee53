import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { expectedState } from "../../src/workload/oracle.ts";
import { rowsDigestOf } from "../../src/database/digest.ts";
import type { LoadShape } from "../../src/workload/load-shape.ts";
import { runWorkload } from "../../src/workload/run-workload.ts";
import { Workload } from "../../src/workload/workload.ts";
import { failureOf } from "../failure.ts";

const shapes: readonly LoadShape[] = [
  { type: "constant", rate: 5000 },
  { type: "burst", transactions: 8, periodMs: 10 },
  { type: "random", rate: 5000, seed: 1 },
  { type: "wave", lowRate: 1000, highRate: 9000, periodMs: 20 },
];

test.each([["none", undefined], ...shapes.map((shape) => [shape.type, shape] as const)] as const)(
  "runWorkload runs as many transactions as asked for, load shape %s",
  async (_, shape) => {
    using database = new Database(":memory:");
    using workload = new Workload(database, { seed: 1 });
    const committed: number[] = [];
    const options = { transactions: 25, onCommit: (n: number) => committed.push(n) };
    expect(await runWorkload(workload, shape === undefined ? options : { ...options, shape })).toBe(25);
    expect(committed).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    expect(rowsDigestOf(database)).toBe(expectedState(1, 25));
  },
);

test("runWorkload runs what falls due in a duration, however long it takes", async () => {
  using database = new Database(":memory:");
  using workload = new Workload(database, { seed: 1 });
  const shape: LoadShape = { type: "burst", transactions: 10, periodMs: 4 };
  expect(await runWorkload(workload, { shape, durationMs: 11 })).toBe(30);
  expect(await runWorkload(workload, { shape, durationMs: 11, transactions: 12 })).toBe(42);
});

test("runWorkload without a shape ends after its duration", async () => {
  using database = new Database(":memory:");
  using workload = new Workload(database, { seed: 1 });
  expect(await runWorkload(workload, { durationMs: 5 })).toBe(workload.committed);
});

test("runWorkload ends at a signal, at work or waiting, and commits nothing more", async () => {
  using database = new Database(":memory:");
  using workload = new Workload(database, { seed: 1 });
  const atWork = new AbortController();
  const onCommit = (n: number): void => {
    if (n === 7) atWork.abort();
  };
  expect(await runWorkload(workload, { signal: atWork.signal, onCommit })).toBe(7);

  const waiting = new AbortController();
  const shape: LoadShape = { type: "constant", rate: 1e-9 };
  const running = runWorkload(workload, {
    shape,
    signal: waiting.signal,
    onCommit: () => setImmediate(() => waiting.abort()),
  });
  expect(await running).toBe(8);
  expect(await runWorkload(workload, { signal: waiting.signal })).toBe(8);
});

test("runWorkload rejects with what a transaction failed with", async () => {
  using database = new Database(":memory:");
  using workload = new Workload(database, { seed: 1 });
  database.run("DROP TABLE marker");
  expect(await failureOf(runWorkload(workload, { transactions: 1 }))).toContain("no such table");
});

test("runWorkload refuses to run for ever", async () => {
  using database = new Database(":memory:");
  using workload = new Workload(database, { seed: 1 });
  expect(await failureOf(runWorkload(workload, {}))).toContain("for a number of transactions, for a time, or until");
});
