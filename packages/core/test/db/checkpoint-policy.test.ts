import { describe, expect, test } from "bun:test";
import { checkpointDue, type CheckpointPolicy } from "../../src/db/checkpoint-policy.ts";
import { view } from "./views.ts";

describe("checkpointDue", () => {
  const policy: CheckpointPolicy = {
    minPageCount: 1000,
    maxPageCount: 10_000,
    intervalMs: 60_000,
    retryMs: 1000,
    forcedRetryMs: 10_000,
  };
  const complete = { triedAtMs: 0, forcedInVainAtMs: undefined, wasComplete: true };
  const busy = { ...complete, wasComplete: false };

  test("is nothing while the whole WAL is in the database file", () => {
    expect(
      checkpointDue(view({ mxFrame: 20_000, nBackfill: 20_000 }), policy, complete, "at once", 1e6),
    ).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 0 }), policy, complete, "at once", 1e6)).toBeUndefined();
  });

  test("is PASSIVE from the least number of pages on that are still to be moved", () => {
    expect(checkpointDue(view({ mxFrame: 999 }), policy, complete, "at once", 10)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 1000 }), policy, complete, "at once", 10)).toBe("PASSIVE");
    expect(checkpointDue(view({ mxFrame: 1500, nBackfill: 1000 }), policy, complete, "at once", 10)).toBeUndefined();
  });

  test("waits a while after the last one where it is paced, but not once the WAL is five times as large", () => {
    expect(checkpointDue(view({ mxFrame: 1000 }), policy, complete, "paced", 999)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 1000 }), policy, complete, "paced", 1000)).toBe("PASSIVE");
    expect(checkpointDue(view({ mxFrame: 999 }), policy, complete, "paced", 1000)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 4999 }), policy, complete, "paced", 10)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 5000 }), policy, complete, "paced", 10)).toBe("PASSIVE");
    expect(checkpointDue(view({ mxFrame: 5000 }), policy, busy, "paced", 10)).toBeUndefined();
  });

  test("is FORCED from the most number of pages on, but not in each sync", () => {
    expect(checkpointDue(view({ mxFrame: 10_000 }), policy, busy, "at once", 1000)).toBe("FORCED");
    expect(checkpointDue(view({ mxFrame: 10_000 }), policy, busy, "at once", 999)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 10_000 }), { ...policy, maxPageCount: 0 }, busy, "at once", 1000)).toBe(
      "PASSIVE",
    );
  });

  test("is PASSIVE for a while after a forced one that waited in vain", () => {
    const inVain = { triedAtMs: 5000, forcedInVainAtMs: 5000, wasComplete: false };
    expect(checkpointDue(view({ mxFrame: 10_000 }), policy, inVain, "at once", 14_999)).toBe("PASSIVE");
    expect(checkpointDue(view({ mxFrame: 10_000 }), policy, inVain, "at once", 15_000)).toBe("FORCED");
  });

  test("is PASSIVE after the interval, for a single page too, unless the interval is off", () => {
    expect(checkpointDue(view({ mxFrame: 1 }), policy, complete, "at once", 60_000)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 1 }), policy, complete, "at once", 60_001)).toBe("PASSIVE");
    expect(checkpointDue(view({ mxFrame: 1 }), { ...policy, intervalMs: 0 }, complete, "at once", 1e9)).toBeUndefined();
  });

  test("is not tried again at once when readers kept it from being complete, whatever the clock did", () => {
    expect(checkpointDue(view({ mxFrame: 1000 }), policy, busy, "at once", 500)).toBeUndefined();
    expect(checkpointDue(view({ mxFrame: 1000 }), policy, { ...busy, triedAtMs: 5000 }, "at once", 10)).toBe("PASSIVE");
  });
});
