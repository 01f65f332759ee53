import { describe, expect, test } from "bun:test";
import { LagHistory } from "../../src/serve/history.ts";

const tiers = [
  { stepMs: 10, steps: 4 },
  { stepMs: 100, steps: 3 },
];

describe("LagHistory", () => {
  test("keeps the worst of each step, and nothing where nothing was seen", () => {
    const history = new LagHistory(tiers);
    history.note(5, 1000);
    history.note(9, 1005);
    history.note(2, 1008);
    history.note(1, 1021);
    expect(history.series(1025)).toEqual([
      { stepMs: 10, fromMs: 1000, lagMs: [9, null, 1] },
      { stepMs: 100, fromMs: 1000, lagMs: [9] },
    ]);
  });

  test("forgets what is older than its steps, in each tier for itself", () => {
    const history = new LagHistory(tiers);
    for (let timeMs = 1000; timeMs < 1500; timeMs += 10) history.note(timeMs === 1230 ? 7000 : 3, timeMs);
    expect(history.series(1499)).toEqual([
      { stepMs: 10, fromMs: 1460, lagMs: [3, 3, 3, 3] },
      { stepMs: 100, fromMs: 1200, lagMs: [7000, 3, 3] },
    ]);
  });

  test("shows that nothing was seen lately", () => {
    const history = new LagHistory(tiers);
    history.note(5, 1000);
    expect(history.series(1029)[0]).toEqual({ stepMs: 10, fromMs: 1000, lagMs: [5, null, null] });
    expect(history.series(9000)[0]).toEqual({ stepMs: 10, fromMs: 8970, lagMs: [null, null, null, null] });
    history.note(6, 9000);
    expect(history.series(9000)[0]).toEqual({ stepMs: 10, fromMs: 8970, lagMs: [null, null, null, 6] });
  });

  test("stands a clock that goes back", () => {
    const history = new LagHistory(tiers);
    history.note(1, 5000);
    history.note(2, 4990);
    expect(history.series(4990)[0]).toEqual({ stepMs: 10, fromMs: 5000, lagMs: [2] });
    history.note(3, 100);
    expect(history.series(100)[0]).toEqual({ stepMs: 10, fromMs: 100, lagMs: [3] });
  });

  test("has nothing before the first", () => {
    expect(new LagHistory(tiers).series(1000)[0]).toEqual({ stepMs: 10, fromMs: 1000, lagMs: [null] });
  });
});
