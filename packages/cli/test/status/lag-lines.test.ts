import { expect, test } from "bun:test";
import type { DatabaseStatus } from "@litestream/core";
import { LagLines } from "../../src/status/lag-lines.ts";

function database(path: string, ...lags: readonly (number | undefined)[]): DatabaseStatus {
  const replicas = lags.map((lagMs, n) => ({ name: `r${n}`, lagMs }));
  return { path, replicas } as unknown as DatabaseStatus;
}

test("LagLines draws the lag of each replica, the worst first, and forgets what is old", () => {
  const lag = new LagLines(4);
  for (const ms of [9000, 0, 0, 0, 700, undefined, 8000]) {
    lag.note([database("/data/a.db", 0), database("/data/b.db", 10, ms)]);
  }
  const databases = [database("/data/a.db", 0), database("/data/b.db", 10, 8000)];
  expect(lag.lines(databases, 10)).toEqual([
    "▁▁·█ at most 8s  /data/b.db r1",
    "▁▁▁▁ at most 10ms  /data/b.db r0",
    "▁▁▁▁ at most 0s  /data/a.db r0",
  ]);
  expect(lag.lines(databases, 1)).toHaveLength(1);
});

test("LagLines forgets a replica that is gone", () => {
  const lag = new LagLines(4);
  lag.note([database("/data/a.db", 5000)]);
  lag.note([]);
  lag.note([database("/data/a.db", 0)]);
  expect(lag.lines([database("/data/a.db", 0)], 10)).toEqual(["▁ at most 0s  /data/a.db r0"]);
});
