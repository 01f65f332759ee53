import { describe, expect, test } from "bun:test";
import { estimateMonth } from "../../src/replica/estimate.ts";

const gigabyte = 1024 ** 3;

describe("estimateMonth", () => {
  test("of a database that is written all day is near Amazon's minimum for one request a second", () => {
    const month = estimateMonth({ dbSizeBytes: gigabyte, transactionsPerSecond: 50 });
    // 730 hours of seconds; a side file each minute; a renewal each 15 s; a snapshot of 103 parts each day.
    expect(month.puts).toBe(730 * 3600 + 730 * 60 + 730 * 240 + Math.round(((103 + 3) * 730) / 24));
    expect(month.costDollars).toBeWithin(14, 16);
  });

  test("of a database that is never written counts a snapshot a day, and the checks of retention", () => {
    const month = estimateMonth({ dbSizeBytes: 1_000_000, transactionsPerSecond: 0 });
    expect(month.puts).toBe(Math.round((2 * 730) / 24));
    expect(month.lists).toBe(730 + Math.round(730 / 24));
    expect(month.costDollars).toBeLessThan(0.01);
  });

  test("says what a longer sync interval saves", () => {
    const usage = { dbSizeBytes: gigabyte, transactionsPerSecond: 50 };
    const [second, minute] = [estimateMonth(usage), estimateMonth(usage, { syncIntervalMs: 60_000 })];
    expect(minute.puts).toBeLessThan(second.puts / 15);
    expect(minute.storedBytes).toBe(second.storedBytes);
    expect(minute.costDollars).toBeLessThan(second.costDollars / 5);
  });

  test("counts what retention keeps", () => {
    const usage = { dbSizeBytes: gigabyte };
    const day = estimateMonth(usage);
    const week = estimateMonth(usage, { retentionMs: 7 * 86_400_000, snapshotIntervalMs: 86_400_000 });
    expect(week.storedBytes).toBeGreaterThan(3 * day.storedBytes);
  });

  test("takes other prices", () => {
    const free = estimateMonth(
      { dbSizeBytes: gigabyte },
      {},
      { per1000Writes: 0, per1000Reads: 0, perGigabyteMonth: 0 },
    );
    expect(free.costDollars).toBe(0);
  });
});
