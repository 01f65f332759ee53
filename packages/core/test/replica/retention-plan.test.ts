import { describe, expect, test } from "bun:test";
import { type Generation, parseGeneration } from "../../src/generation.ts";
import { parseEntries, parseSideFiles } from "../../src/layout/listing.ts";
import { snapshotKey } from "../../src/layout/generations.ts";
import { snapshotEndKey, walPointsKey } from "../../src/layout/restore-points.ts";
import { segmentKey } from "../../src/layout/segments.ts";
import { walKey } from "../../src/layout/whole.ts";
import { type WalIndex, walIndex } from "../../src/position.ts";
import { planRetention, type RetentionPlan } from "../../src/replica/retention-plan.ts";

const hourMs = 3600_000;
const nowMs = 1_000 * hourMs;
const a = parseGeneration("aaaaaaaaaaaaaaaa");
const b = parseGeneration("bbbbbbbbbbbbbbbb");

interface Object {
  readonly key: string;
  readonly ageHours: number;
  readonly sizeBytes?: number;
}

/** A snapshot of so many hours ago. */
function snapshot(generation: Generation, index: number, ageHours: number): Object {
  return { key: snapshotKey(generation, walIndex(index), true), ageHours };
}

/** WALs of these indexes, the last one written so many hours ago. */
function wals(generation: Generation, first: number, last: number, ageHours: number): Object[] {
  return Array.from({ length: last - first + 1 }, (_, at) => ({
    key: walKey(generation, walIndex(first + at), first + at < last),
    ageHours: ageHours + (last - first - at),
  }));
}

interface Case {
  readonly objects: readonly Object[];
  readonly live?: { readonly generation: Generation; readonly index: number; readonly offset?: number };
  readonly held?: readonly (readonly [Generation, number])[];
  readonly retentionHours?: number;
  readonly graceHours?: number;
  readonly clockHours?: number;
}

function plan({
  objects,
  live,
  held = [],
  retentionHours = 24,
  graceHours = 0.2,
  clockHours = 0,
}: Case): RetentionPlan {
  const entries = objects.map(({ key, ageHours, sizeBytes = 100 }) => ({
    key,
    sizeBytes,
    modifiedAt: new Date(nowMs - ageHours * hourMs),
  }));
  const { snapshots, wals: stored } = parseEntries(entries);
  return planRetention(
    {
      snapshots,
      wals: stored.map(({ info }) => info),
      sideFiles: parseSideFiles(entries),
      snapshotEnds: [],
      held: new Map(held.map(([generation, index]) => [generation, walIndex(index)])),
    },
    {
      nowMs: nowMs + clockHours * hourMs,
      retentionMs: retentionHours * hourMs,
      graceMs: graceHours * hourMs,
      live:
        live === undefined
          ? undefined
          : { generation: live.generation, index: walIndex(live.index), offset: live.offset ?? 4152 },
    },
  );
}

/** What goes, as "generation: first snapshots, then WALs", by index. */
function gone(of: Case): Record<string, { snapshots: WalIndex[]; wals: WalIndex[] }> {
  return Object.fromEntries(
    plan(of).generations.map(({ generation, groups }) => {
      const indexes = (kind: string): WalIndex[] =>
        [...new Set(groups.flat().flatMap((deletion) => (deletion.kind === kind ? [deletion.index] : [])))].toSorted(
          (x, y) => x - y,
        );
      return [generation, { snapshots: indexes("snapshot"), wals: indexes("wal") }];
    }),
  );
}

describe("planRetention", () => {
  test("keeps the earliest snapshot within the retention, and everything from its index on", () => {
    const objects = [
      snapshot(a, 0, 40),
      snapshot(a, 3, 30),
      snapshot(a, 5, 20),
      snapshot(a, 8, 10),
      ...wals(a, 0, 9, 0),
    ];
    const live = { generation: a, index: 9 };
    expect(gone({ objects, live }) as unknown).toEqual({ [a]: { snapshots: [0, 3], wals: [0, 1, 2, 3, 4] } });
    expect(plan({ objects, live }).isSnapshotDue).toBe(false);
    expect(gone({ objects, live, retentionHours: 48 })).toEqual({});
    expect(gone({ objects, live, retentionHours: 15 }) as unknown).toEqual({
      [a]: { snapshots: [0, 3, 5], wals: [0, 1, 2, 3, 4, 5, 6, 7] },
    });
  });

  test("wants a snapshot where the live generation has none within the retention; the newest stays meanwhile", () => {
    const objects = [snapshot(a, 0, 40), snapshot(a, 3, 30), ...wals(a, 0, 9, 0)];
    const live = { generation: a, index: 9 };
    expect(plan({ objects, live }).isSnapshotDue).toBe(true);
    expect(gone({ objects, live }) as unknown).toEqual({ [a]: { snapshots: [0], wals: [0, 1, 2] } });
  });

  test("wants none where nothing came after the newest one", () => {
    const objects = [snapshot(a, 3, 30)];
    const settings = {
      nowMs,
      retentionMs: 24 * hourMs,
      graceMs: 0,
      live: { generation: a, index: walIndex(3), offset: 0 },
    };
    const { snapshots } = parseEntries(
      objects.map(({ key, ageHours }) => ({ key, sizeBytes: 100, modifiedAt: new Date(nowMs - ageHours * hourMs) })),
    );
    const end = { generation: a, index: walIndex(3), offset: 0 };
    const snapshotEnds = [{ generation: a, index: walIndex(3), timeMs: nowMs - 30 * hourMs, end, contentHash: 0 }];
    const listing = { snapshots, wals: [], sideFiles: [], snapshotEnds, held: new Map() };
    expect(planRetention(listing, settings)).toEqual({ isSnapshotDue: false, generations: [] });
    const after = { ...settings, live: { ...settings.live, offset: 4152 } };
    expect(planRetention(listing, after).isSnapshotDue).toBe(true);
  });

  test("lets generations go that have no snapshot within the retention", () => {
    const objects = [snapshot(a, 0, 50), ...wals(a, 0, 4, 30), snapshot(b, 0, 20), ...wals(b, 0, 2, 0)];
    expect(gone({ objects, live: { generation: b, index: 2 } }) as unknown).toEqual({
      [a]: { snapshots: [0], wals: [0, 1, 2, 3, 4] },
    });
    expect(plan({ objects, live: { generation: b, index: 2 } }).generations[0]?.isWhole).toBe(true);
  });

  test("keeps a generation that ended within the retention from its earliest snapshot of that time on", () => {
    const objects = [
      snapshot(a, 0, 50),
      snapshot(a, 2, 22),
      ...wals(a, 0, 4, 21),
      snapshot(b, 0, 20),
      ...wals(b, 0, 2, 0),
    ];
    expect(gone({ objects, live: { generation: b, index: 2 } }) as unknown).toEqual({
      [a]: { snapshots: [0], wals: [0, 1] },
    });
  });

  test("never lets go of the last state to restore, whatever the clock says", () => {
    const objects = [snapshot(a, 0, 40), snapshot(a, 3, 30), ...wals(a, 0, 9, 0)];
    for (const live of [{ generation: a, index: 9 }, undefined]) {
      for (const clockHours of [-1e6, -100, 0, 100, 1e6]) {
        for (const retentionHours of [0, 1, 24]) {
          for (const graceHours of [0, 0.2]) {
            const kept = gone({ objects, clockHours, retentionHours, graceHours, ...(live && { live }) })[a];
            expect(kept?.snapshots ?? []).not.toContain(walIndex(3));
            expect((kept?.wals ?? []).every((index) => index < 3)).toBe(true);
          }
        }
      }
    }
  });

  test("keeps more while the clock is set back, and only what a new snapshot replaces once it is set forward", () => {
    const objects = [snapshot(a, 0, 40), snapshot(a, 5, 20), ...wals(a, 0, 9, 0)];
    const live = { generation: a, index: 9 };
    expect(gone({ objects, live, clockHours: -30 })).toEqual({});
    const forward = { objects, live, clockHours: 9e4 };
    expect(plan(forward).isSnapshotDue).toBe(true);
    expect(gone(forward) as unknown).toEqual({ [a]: { snapshots: [0], wals: [0, 1, 2, 3, 4] } });
  });

  test("keeps what the latest restore takes, also where another generation is written to", () => {
    // The clock was set back when the live one began: a restore takes the other one.
    const objects = [snapshot(a, 0, 50), ...wals(a, 0, 4, 30), snapshot(b, 0, 60), ...wals(b, 0, 1, 55)];
    const live = { generation: b, index: 1 };
    expect(gone({ objects, live })).toEqual({});
  });

  test("lets nothing go in favour of a snapshot that is younger than the grace period", () => {
    const live = { generation: a, index: 9 };
    const objects = [snapshot(a, 0, 40), snapshot(a, 3, 30), snapshot(a, 9, 0.1), ...wals(a, 0, 9, 0)];
    expect(gone({ objects, live }) as unknown).toEqual({ [a]: { snapshots: [0], wals: [0, 1, 2] } });
    expect(gone({ objects, live, graceHours: 0.05 }) as unknown).toEqual({
      [a]: { snapshots: [0, 3], wals: [0, 1, 2, 3, 4, 5, 6, 7, 8] },
    });
    const other = [snapshot(a, 0, 50), snapshot(a, 2, 45), ...wals(a, 0, 4, 30), snapshot(b, 0, 0.1)];
    expect(gone({ objects: other, live: { generation: b, index: 0 } }) as unknown).toEqual({
      [a]: { snapshots: [0], wals: [0, 1] },
    });
    expect(Object.keys(gone({ objects: other, live: { generation: b, index: 0 }, graceHours: 0.05 }))).toEqual([a]);
  });

  test("keeps what a reader's lease names", () => {
    const objects = [snapshot(a, 0, 40), snapshot(a, 3, 30), snapshot(a, 5, 20), ...wals(a, 0, 9, 0)];
    const live = { generation: a, index: 9 };
    expect(gone({ objects, live, held: [[a, 0]] })).toEqual({});
    expect(gone({ objects, live, held: [[a, 3]] }) as unknown).toEqual({ [a]: { snapshots: [0], wals: [0, 1, 2] } });
    const old = [snapshot(b, 0, 60), ...wals(b, 0, 3, 50), snapshot(a, 0, 20)];
    expect(gone({ objects: old, live: { generation: a, index: 0 }, held: [[b, 0]] })).toEqual({});
  });

  test("keeps WAL without a snapshot while it may get one: of the live generation, or lately written", () => {
    const objects = [snapshot(a, 0, 20), ...wals(a, 0, 1, 10), ...wals(b, 0, 1, 0)];
    expect(gone({ objects, live: { generation: b, index: 1 } })).toEqual({});
    expect(gone({ objects, live: { generation: a, index: 1 } })).toEqual({});
    const old = [snapshot(a, 0, 20), ...wals(a, 0, 1, 0), ...wals(b, 0, 1, 30)];
    expect(gone({ objects: old, live: { generation: a, index: 1 } }) as unknown).toEqual({
      [b]: { snapshots: [], wals: [0, 1] },
    });
  });

  test("does not take an empty file for a snapshot that replaces others", () => {
    const objects = [snapshot(a, 0, 40), { ...snapshot(a, 3, 1), sizeBytes: 0 }, ...wals(a, 0, 9, 0)];
    const live = { generation: a, index: 9 };
    expect(plan({ objects, live })).toEqual({ isSnapshotDue: true, generations: [] });
  });

  test("orders deletions so that what is left is whole after each group", () => {
    const sides = [0, 1, 2, 3].flatMap((index) => [
      { key: walPointsKey(a, walIndex(index)), ageHours: 30 },
      { key: snapshotEndKey(a, walIndex(index)), ageHours: 30 },
    ]);
    const segments = [0, 1, 2, 3].flatMap((index) =>
      [0, 4152].map((offset) => ({ key: segmentKey(a, walIndex(index), offset, true), ageHours: 30 })),
    );
    const objects = [snapshot(a, 0, 60), snapshot(a, 2, 50), snapshot(a, 3, 1), ...segments, ...sides];
    const [only] = plan({ objects, live: { generation: a, index: 3 } }).generations;
    expect(only?.groups.map((group) => [...new Set(group.map(({ kind, index }) => `${kind} ${index}`))])).toEqual([
      ["snapshot 0"],
      ["snapshot 2"],
      ["side-file 0", "side-file 1", "side-file 2"],
      ["wal 0", "wal 1"],
      ["wal 2"],
    ]);
  });

  test("says why each object goes", () => {
    const objects = [snapshot(a, 0, 50), snapshot(b, 0, 30), snapshot(b, 1, 20), ...wals(b, 0, 1, 0)];
    const reasons = plan({ objects, live: { generation: b, index: 1 } }).generations.map(({ groups }) => [
      ...new Set(groups.flat().map(({ reason }) => reason)),
    ]);
    expect(reasons).toEqual([
      ["its generation has no snapshot within the retention"],
      ["before the earliest snapshot within the retention"],
    ]);
  });

  test("has nothing to do in an empty replica", () => {
    expect(plan({ objects: [] })).toEqual({ isSnapshotDue: false, generations: [] });
  });
});
