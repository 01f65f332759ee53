import { describe, expect, test } from "bun:test";
import { advance, decideResume, decideSync, mayBeOnLockZero } from "../../src/db/capture.ts";
import { walIndex, walIndexMax } from "../../src/position.ts";
import { frameEndOffset } from "../../src/wal/header.ts";
import { headerWith, otherSalts, pageSize, salts, state, view } from "./views.ts";

const empty = state({ index: walIndex(0), tail: undefined });

describe("decideSync", () => {
  test("does nothing when the WAL ends where the shadow WAL ends", () => {
    for (const covered of [true, false]) expect(decideSync(state(), view(), covered)).toEqual({ kind: "nothing" });
  });

  test("copies what was published since, covered or not: the same salts prove that nothing went by", () => {
    for (const covered of [true, false]) {
      expect(decideSync(state(), view({ mxFrame: 11 }), covered)).toEqual({ kind: "copy" });
    }
  });

  test("begins a generation when the WAL has fewer frames than were copied", () => {
    for (const mxFrame of [9, 0]) {
      expect(decideSync(state(), view({ mxFrame }), true)).toEqual({
        kind: "new-generation",
        reason: "wal truncated by another process",
      });
    }
  });

  test("begins a generation when the last copied frame is no longer the published one", () => {
    const overwritten = view({ frameChecksum: { s1: 100, s2: 201 } });
    expect(decideSync(state(), overwritten, true)).toMatchObject({ reason: "wal overwritten by another process" });
  });

  test("takes any other salts as the next index while covered", () => {
    for (const next of [otherSalts, { salt1: 2, salt2: 7 }, { salt1: 0, salt2: 2 }]) {
      expect(decideSync(state(), view({ salts: next }), true)).toEqual({ kind: "begin-index", index: walIndex(4) });
    }
  });

  test("takes other salts as a new generation when not covered, even while the WAL is empty", () => {
    for (const mxFrame of [1, 0]) {
      expect(decideSync(state(), view({ salts: otherSalts, mxFrame }), false)).toMatchObject({
        reason: "wal restarted while not replicating",
      });
    }
  });

  test("waits for the first frame before it begins an index", () => {
    expect(decideSync(state(), view({ salts: otherSalts, mxFrame: 0 }), true)).toEqual({ kind: "nothing" });
    expect(decideSync(empty, view({ mxFrame: 0 }), true)).toEqual({ kind: "nothing" });
  });

  test("gives the first WAL to come the index of the generation's beginning", () => {
    expect(decideSync(empty, view(), true)).toEqual({ kind: "begin-index", index: walIndex(0) });
  });

  test("begins a generation when no further index can be written", () => {
    const last = state({ index: walIndex(walIndexMax) });
    expect(decideSync(last, view({ salts: otherSalts }), true)).toMatchObject({ reason: "max index exceeded" });
  });

  test("begins a generation when the page size changed", () => {
    expect(decideSync(state(), view({ salts: otherSalts, pageSize: 512 }), true)).toMatchObject({
      reason: "page size changed",
    });
  });
});

describe("decideResume", () => {
  const { tail } = state();
  if (tail === undefined) throw new Error("the state has frames");

  test("goes on in the generation when the WAL is the same, unchanged or grown", () => {
    expect(decideResume(tail, view())).toBeUndefined();
    expect(decideResume(tail, view({ mxFrame: 400 }))).toBeUndefined();
  });

  test("does not when the WAL was restarted, shortened or overwritten", () => {
    expect(decideResume(tail, view({ salts: otherSalts }))).toBe("wal restarted while not replicating");
    expect(decideResume(tail, view({ mxFrame: 9 }))).toBe("wal truncated by another process");
    expect(decideResume(tail, view({ frameChecksum: { s1: 0, s2: 0 } }))).toBe("wal overwritten by another process");
  });
});

describe("mayBeOnLockZero", () => {
  const behind = view({ nBackfill: 9 });
  const backfilled = view({ nBackfill: 10 });

  test("a lock is known to be on a mark only if frames were left to move before and after", () => {
    expect(mayBeOnLockZero(behind, behind)).toBe(false);
    expect(mayBeOnLockZero(behind, backfilled)).toBe(true);
    expect(mayBeOnLockZero(backfilled, behind)).toBe(true);
    expect(mayBeOnLockZero(view({ mxFrame: 0 }), view({ mxFrame: 0 }))).toBe(true);
  });
});

describe("advance", () => {
  test("refuses an end that the wal-index does not prove", () => {
    const header = headerWith(salts);
    const end = { offset: frameEndOffset(10, pageSize), checksum: { s1: 100, s2: 200 } };
    expect(advance(state(), walIndex(3), header, end, view()).tail?.end).toEqual(end);
    expect(() => advance(state(), walIndex(3), header, end, view({ mxFrame: 11 }))).toThrow("invariant");
    const wrong = view({ frameChecksum: { s1: 1, s2: 1 } });
    expect(() => advance(state(), walIndex(3), header, end, wrong)).toThrow("invariant");
  });
});
