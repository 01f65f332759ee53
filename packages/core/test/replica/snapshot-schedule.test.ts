import { describe, expect, test } from "bun:test";
import { walIndex } from "../../src/position.ts";
import { SnapshotSchedule } from "../../src/replica/snapshot-schedule.ts";
import type { Standing } from "../../src/replica/standing.ts";

function standing(newestSnapshotAtMs: number, walBytes: number): Standing {
  return { newestSnapshot: walIndex(0), newestSnapshotAtMs, isWhole: true, walBytes };
}

describe("SnapshotSchedule", () => {
  test("is off unless an interval or a bound is set", () => {
    expect(new SnapshotSchedule({}).isOff).toBe(true);
    expect(new SnapshotSchedule({ snapshotIntervalMs: 0, snapshotWalSizeBytesMax: 0 }).isOff).toBe(true);
    expect(new SnapshotSchedule({ snapshotIntervalMs: 1 }).isOff).toBe(false);
  });

  test("is due an interval after the newest one, be that of an earlier life", () => {
    const schedule = new SnapshotSchedule({ snapshotIntervalMs: 100 });
    schedule.stands(standing(1000, 5));
    expect(schedule.dueAfterMs(1030)).toBe(70);
    expect(schedule.dueAfterMs(2000)).toBe(0);
    schedule.taken(2000, 1);
    expect(schedule.dueAfterMs(2000)).toBe(100);
  });

  test("is not due where no WAL came since the newest one", () => {
    const schedule = new SnapshotSchedule({ snapshotIntervalMs: 100, snapshotWalSizeBytesMax: 1000 });
    schedule.stands(standing(1000, 0));
    expect(schedule.dueAfterMs(9000)).toBe(Infinity);
    schedule.copied(1);
    expect(schedule.dueAfterMs(9000)).toBe(0);
  });

  test("is due at once when more WAL came than the bound allows", () => {
    const schedule = new SnapshotSchedule({ snapshotWalSizeBytesMax: 1000 });
    let calls = 0;
    schedule.onDueSooner(() => calls++);
    schedule.stands(standing(1000, 0));
    for (const bytes of [400, 400, 400, 400]) schedule.copied(bytes);
    expect(schedule.dueAfterMs(1000)).toBe(0);
    // When it becomes known how it stands, with the first WAL, and when that is too much.
    expect(calls).toBe(3);
    schedule.taken(1000, 0);
    expect(schedule.dueAfterMs(1e9)).toBe(Infinity);
  });

  test("waits no longer than the interval while the clock is set back", () => {
    const schedule = new SnapshotSchedule({ snapshotIntervalMs: 100 });
    schedule.stands(standing(1e6, 5));
    expect(schedule.dueAfterMs(1000)).toBe(100);
  });
});
