import { describe, expect, test } from "bun:test";
import { isLitestreamError, type LitestreamError } from "../../src/errors.ts";
import { type Generation, parseGeneration } from "../../src/generation.ts";
import type { SnapshotInfo, WalInfo } from "../../src/layout/objects.ts";
import { walIndex } from "../../src/position.ts";
import { planRestore, type ReplicaListing, type RestoreTarget } from "../../src/restore/plan.ts";

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
    planRestore(replica, target);
  } catch (error) {
    if (isLitestreamError(error)) return error;
    throw error;
  }
  throw new Error("it gave a plan");
}

describe("planRestore", () => {
  test("takes the highest snapshot, and every WAL from its index on", () => {
    const replica = listing(
      [snapshot(a, 3, 900), snapshot(a, 5, 100), snapshot(a, 0, 50)],
      [wal(a, 7), wal(a, 5), wal(a, 6), wal(a, 6, { offset: 32 }), wal(a, 2)],
    );
    const plan = planRestore(replica);
    expect(plan.generation).toBe(a);
    expect(plan.snapshot.index).toBe(walIndex(5));
    expect(plan.wals.map(Number)).toEqual([5, 6, 7]);
    expect(plan.lastWalIsGrowing).toBe(false);
  });

  test("takes the snapshot alone where no WAL reaches its index", () => {
    expect(planRestore(listing([snapshot(a, 5)], [])).wals).toEqual([]);
    expect(planRestore(listing([snapshot(a, 5)], [wal(a, 2), wal(a, 4)])).wals).toEqual([]);
  });

  test("says whether the last WAL is stored only uncompressed", () => {
    const plain = wal(a, 1, { compressed: false });
    expect(planRestore(listing([snapshot(a, 0)], [wal(a, 0), plain])).lastWalIsGrowing).toBe(true);
    expect(planRestore(listing([snapshot(a, 0)], [wal(a, 0), wal(a, 1), plain])).lastWalIsGrowing).toBe(false);
    expect(planRestore(listing([snapshot(a, 0)], [wal(a, 0, { compressed: false }), wal(a, 1)])).lastWalIsGrowing).toBe(
      false,
    );
    expect(planRestore(listing([snapshot(a, 0)], [])).lastWalIsGrowing).toBe(false);
  });

  test("takes the generation updated last, by snapshot or WAL, unless one is named", () => {
    const replica = listing([snapshot(a, 0, 500), snapshot(b, 0, 400)], [wal(a, 0, { createdAt: new Date(600) })]);
    expect(planRestore(replica).generation).toBe(a);
    expect(planRestore(replica, { generation: b }).generation).toBe(b);
    expect(planRestore(listing([snapshot(a, 0, 500), snapshot(b, 0, 501)], [])).generation).toBe(b);
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
    expect(error.hint).toContain(`-generation ${a}`);
    expect(error.hint).toContain("1970-01-01T00:00:00.020Z");
    expect(planRestore(replica, { generation: a }).wals.map(Number)).toEqual([0]);
  });

  test("fails on a missing WAL, naming it", () => {
    const middle = failure(listing([snapshot(a, 1)], [wal(a, 1), wal(a, 2), wal(a, 4)]));
    expect(middle.code).toBe("BACKUP_INCOMPLETE");
    expect(middle.message).toContain("WAL 00000003 is missing, between snapshot 00000001 and WAL 00000004");
    expect(middle.position).toBe(`${a}/00000003:00000000`);
    expect(middle.hint).toContain("No generation there can be restored in full");

    const own = failure(listing([snapshot(a, 1)], [wal(a, 2)]));
    expect(own.message).toContain("WAL 00000001 is missing");
  });
});
