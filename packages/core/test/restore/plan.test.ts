import { describe, expect, test } from "bun:test";
import { isLitestreamError, type LitestreamError } from "../../src/errors.ts";
import { type Generation, parseGeneration } from "../../src/generation.ts";
import type { SnapshotInfo, WalInfo } from "../../src/layout/objects.ts";
import { walIndex } from "../../src/position.ts";
import { choosePlan } from "../../src/restore/plan.ts";
import type { ReplicaListing, RestoreTarget } from "../../src/restore/restore-plan.ts";

const a = parseGeneration("aaaaaaaaaaaaaaaa");
const b = parseGeneration("bbbbbbbbbbbbbbbb");

function snapshot(generation: Generation, index: number, createdMs: number = index): SnapshotInfo {
  return { generation, index: walIndex(index), path: `s${index}`, sizeBytes: 1, createdAt: new Date(createdMs) };
}

function wal(generation: Generation, index: number, details: Partial<WalInfo> = {}): WalInfo {
  const common = { offset: 0, compressed: true, path: `w${index}`, sizeBytes: 1, createdAt: new Date(index) };
  return { generation, index: walIndex(index), ...common, ...details };
}

function listing(snapshots: SnapshotInfo[], wals: WalInfo[]): ReplicaListing {
  return { location: "/backups/app", snapshots, wals };
}

function failure(replica: ReplicaListing, target?: RestoreTarget): LitestreamError {
  try {
    choosePlan(replica, target);
  } catch (error) {
    if (isLitestreamError(error)) return error;
    throw error;
  }
  throw new Error("it gave a plan");
}

describe("choosePlan", () => {
  test("takes the highest snapshot, and every WAL from its index on", () => {
    const replica = listing(
      [snapshot(a, 3, 900), snapshot(a, 5, 100), snapshot(a, 0, 50)],
      [wal(a, 7), wal(a, 5), wal(a, 6), wal(a, 6, { offset: 32 }), wal(a, 2)],
    );
    const plan = choosePlan(replica);
    expect(plan.generation).toBe(a);
    expect(plan.snapshot.index).toBe(walIndex(5));
    expect(plan.wals.map(Number)).toEqual([5, 6, 7]);
    expect(plan.lastWalIsGrowing).toBe(false);
  });

  test("takes the snapshot alone where no WAL reaches its index", () => {
    expect(choosePlan(listing([snapshot(a, 5)], [])).wals).toEqual([]);
    expect(choosePlan(listing([snapshot(a, 5)], [wal(a, 2), wal(a, 4)])).wals).toEqual([]);
  });

  test("says whether the last WAL is stored only uncompressed", () => {
    const plain = wal(a, 1, { compressed: false });
    expect(choosePlan(listing([snapshot(a, 0)], [wal(a, 0), plain])).lastWalIsGrowing).toBe(true);
    expect(choosePlan(listing([snapshot(a, 0)], [wal(a, 0), wal(a, 1), plain])).lastWalIsGrowing).toBe(false);
    expect(choosePlan(listing([snapshot(a, 0)], [wal(a, 0, { compressed: false }), wal(a, 1)])).lastWalIsGrowing).toBe(
      false,
    );
    expect(choosePlan(listing([snapshot(a, 0)], [])).lastWalIsGrowing).toBe(false);
  });

  test("takes the generation updated last, by snapshot or WAL, unless one is named", () => {
    const replica = listing([snapshot(a, 0, 500), snapshot(b, 0, 400)], [wal(a, 0, { createdAt: new Date(600) })]);
    expect(choosePlan(replica).generation).toBe(a);
    expect(choosePlan(replica, { generation: b }).generation).toBe(b);
    expect(choosePlan(listing([snapshot(a, 0, 500), snapshot(b, 0, 501)], [])).generation).toBe(b);
  });

  test("finds no backup where there is nothing, or not the named generation", () => {
    const empty = failure(listing([], []));
    expect(empty.code).toBe("NO_BACKUP");
    expect(empty.message).toContain("/backups/app");
    const other = failure(listing([snapshot(a, 0)], []), { generation: b });
    expect(other.code).toBe("NO_BACKUP");
    expect(other.message).toContain(b);
    expect(other.hint).toContain(a);
  });

  test("fails on WAL without a snapshot, naming the newest generation that is whole", () => {
    const replica = listing(
      [snapshot(a, 0, 10)],
      [wal(a, 0, { createdAt: new Date(20) }), wal(b, 0, { createdAt: new Date(30) })],
    );
    const error = failure(replica);
    expect(error.code).toBe("BACKUP_INCOMPLETE");
    expect(error.message).toContain(`generation ${b}`);
    expect(error.message).toContain("no snapshot");
    expect(error.hint).toContain(`generation ${a} up to WAL 00000000`);
    expect(error.hint).toContain("-force");
    expect(error.hint).toContain("1970-01-01T00:00:00.020Z");
    expect(choosePlan(replica, { generation: a }).wals.map(Number)).toEqual([0]);
  });

  test("fails on a missing WAL, naming it", () => {
    const middle = failure(listing([snapshot(a, 1)], [wal(a, 1), wal(a, 2), wal(a, 4)]));
    expect(middle.code).toBe("BACKUP_INCOMPLETE");
    expect(middle.message).toContain("WAL 00000003 is missing, between snapshot 00000001 and WAL 00000004");
    expect(middle.position).toBe(`${a}/00000003:00000000`);
    expect(middle.hint).toContain("up to WAL 00000002");

    const own = failure(listing([snapshot(a, 1)], [wal(a, 2)]));
    expect(own.message).toContain("WAL 00000001 is missing");
  });

  const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n;

  test("goes to the end of an index, from the snapshot at or below it", () => {
    const replica = listing(
      [snapshot(a, 1), snapshot(a, 3)],
      [0, 1, 2, 3, 4].map((index) => wal(a, index)),
    );
    const plan = choosePlan(replica, { generation: a, index: walIndex(2) });
    expect([plan.snapshot.index, plan.wals, plan.lastWalUntil].map(String)).toEqual(["1", "1,2", "undefined"]);
    expect(failure(replica, { generation: a, index: walIndex(0) }).code).toBe("NO_SUCH_POINT");
    // 0.3.4 has no state behind the last WAL; 0.3.13, whose WALs are in segments, takes the latest for it.
    expect(failure(replica, { generation: a, index: walIndex(9) }).code).toBe("NO_SUCH_POINT");
    const path = (index: number): string => `generations/${a}/wal/0000000${index}_00000000.wal.lz4`;
    const segments = listing(
      [snapshot(a, 1)],
      [1, 2].map((index) => wal(a, index, { path: path(index) })),
    );
    expect(choosePlan(segments, { index: walIndex(9) }).wals.map(Number)).toEqual([1, 2]);
  });

  test("fails on an index whose WAL is missing, though there are later ones", () => {
    const replica = listing([snapshot(a, 0), snapshot(a, 5)], [wal(a, 0), wal(a, 1), wal(a, 5), wal(a, 6)]);
    const error = failure(replica, { generation: a, index: walIndex(3) });
    expect(error.code).toBe("BACKUP_INCOMPLETE");
    expect(error.message).toContain("WAL 00000002 is missing");
    expect(choosePlan(replica).wals.map(Number)).toEqual([5, 6]);
  });

  test("looks at the snapshots of no other generation", () => {
    const replica = listing([snapshot(a, 0), snapshot(b, 1)], [wal(a, 0), wal(a, 1), wal(b, 1)]);
    const plan = choosePlan(replica, { generation: a, index: walIndex(1) });
    expect(Number(plan.snapshot.index)).toBe(0);
  });

  test("takes what was there at a time, inclusive, by the times of the objects", () => {
    const replica = listing(
      [snapshot(a, 0, 10), snapshot(a, 2, 30)],
      [0, 1, 2].map((index) =>
        wal(a, index, {
          createdAt: new Date(15 + 10 * index),
        }),
      ),
    );
    const at = (ms: number): string => {
      const plan = choosePlan(replica, { timeNs: ns(ms) });
      return `${plan.snapshot.index}: ${plan.wals.join()}`;
    };
    expect([10, 14, 15, 25, 29, 30, 34, 35].map(at)).toEqual([
      "0: ",
      "0: ",
      "0: 0",
      "0: 0,1",
      "0: 0,1",
      "2: ",
      "2: ",
      "2: 2",
    ]);
    for (const ms of [9, 36]) {
      const error = failure(replica, { timeNs: ns(ms) });
      expect(error.code).toBe("NO_SUCH_POINT");
      expect(error.hint).toContain("1970-01-01T00:00:00.010Z to 1970-01-01T00:00:00.035Z");
    }
  });

  test("takes the segments of a WAL that were there at a time", () => {
    const segment = (offset: number, ms: number): WalInfo =>
      wal(a, 0, {
        offset,
        path: `generations/${a}/wal/00000000_${offset.toString(16).padStart(8, "0")}.wal.lz4`,
        createdAt: new Date(ms),
      });
    const replica = listing([snapshot(a, 0, 10)], [segment(0, 20), segment(100, 30), segment(200, 40)]);
    expect(choosePlan(replica, { timeNs: ns(35) }).lastWalUntil).toBe(200);
    expect(choosePlan(replica, { timeNs: ns(40) }).lastWalUntil).toBeUndefined();
    expect(choosePlan(replica, { timeNs: ns(40) - 1n }).lastWalUntil).toBe(200);
  });

  test("leaves out a damaged snapshot where an older one and more WAL give the same", () => {
    const replica = listing(
      [snapshot(a, 0), snapshot(a, 2)],
      [0, 1, 2, 3].map((index) => wal(a, index)),
    );
    const plan = choosePlan(replica, {}, { exclude: new Set(["s2"]) });
    expect([plan.snapshot.path, plan.wals.join(), String(plan.lost)]).toEqual(["s0", "0,1,2,3", "undefined"]);
  });

  test("fails on a damaged snapshot that no WAL goes beyond, and gives an older state only when forced", () => {
    const replica = listing([snapshot(a, 0), snapshot(a, 4)], [wal(a, 0), wal(a, 1)]);
    const exclude = new Set(["s4"]);
    expect(() => choosePlan(replica, {}, { exclude })).toThrow("snapshot 00000004 is damaged");
    expect(() => choosePlan(listing([snapshot(a, 0)], [wal(a, 0)]), {}, { exclude: new Set(["s0"]) })).toThrow(
      "snapshot 00000000 is damaged",
    );
  });

  test("takes the newest state before a gap when forced, and says what is lost", () => {
    const replica = listing(
      [snapshot(a, 1, 5), snapshot(b, 0, 1)],
      [wal(a, 1, { createdAt: new Date(6) }), wal(a, 3, { createdAt: new Date(9) }), wal(b, 0)],
    );
    const plan = choosePlan(replica, {}, { force: true });
    expect([plan.generation, plan.wals.join()]).toEqual([a, "1"]);
    expect(plan.lost).toContain("WAL 00000002 is missing");
  });

  test("takes another generation when forced and there is nothing in the newest", () => {
    const replica = listing([snapshot(b, 0, 1)], [wal(b, 0), wal(a, 3, { createdAt: new Date(9) })]);
    const plan = choosePlan(replica, {}, { force: true });
    expect(plan.generation).toBe(b);
    expect(plan.lost).toContain(`generation ${a}`);
  });

  test("uses no snapshot for a state inside the time in which it was copied", () => {
    const end = { generation: a, index: walIndex(2), offset: 600 };
    const ends = [{ generation: a, index: walIndex(2), timeMs: 50, end, contentHash: 0 }];
    const points = [40, 45, 50].map((timeMs, i) => ({ timeMs, offset: 200 * (i + 1), checksum: { s1: 0, s2: 0 } }));
    const salts = { salt1: 1, salt2: 2 };
    const replica = {
      ...listing(
        [snapshot(a, 0, 5), snapshot(a, 2, 50)],
        [0, 1, 2].map((index) => wal(a, index, { createdAt: new Date(10 * index) })),
      ),
      sideFiles: [{ kind: "wal" as const, generation: a, index: walIndex(2) }],
      snapshotEnds: ends,
      walPoints: [{ generation: a, index: walIndex(2), salts, pageSize: 512, points, sealed: undefined }],
    };
    const inside = choosePlan(replica, { timeNs: ns(47) });
    expect([Number(inside.snapshot.index), inside.wals.join(), inside.lastWalUntil]).toEqual([0, "0,1,2", 400]);
    const after = choosePlan(replica, { timeNs: ns(50) });
    expect([Number(after.snapshot.index), after.wals.join(), after.lastWalUntil]).toEqual([2, "2", 600]);
  });

  test("misses the WAL that makes a snapshot exact, also where none of its index is listed", () => {
    const end = { generation: a, index: walIndex(2), offset: 600 };
    const replica = {
      ...listing([snapshot(a, 0), snapshot(a, 2)], [wal(a, 0), wal(a, 1)]),
      snapshotEnds: [{ generation: a, index: walIndex(2), timeMs: 50, end, contentHash: 0 }],
    };
    const error = failure(replica);
    expect(error.message).toContain("WAL 00000002 is missing");
    expect(choosePlan(replica, {}, { force: true }).wals.map(Number)).toEqual([0, 1]);
  });
});
