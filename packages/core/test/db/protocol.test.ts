import { describe, expect, test } from "bun:test";
import {
  afterFailure,
  afterStep,
  begin,
  type Goal,
  nextStep,
  nothingHeld,
  type Outcome,
  type Protocol,
  type Step,
} from "../../src/db/protocol.ts";
import { walIndex } from "../../src/position.ts";
import type { WalIndexView } from "../../src/sqlite/wal-index.ts";
import { frameEndOffset } from "../../src/wal/header.ts";
import { headerWith, otherSalts, pageSize, salts, state, view } from "./views.ts";

const goals: readonly Goal[] = [
  { to: "capture" },
  { to: "sync" },
  { to: "checkpoint", mode: "PASSIVE" },
  { to: "checkpoint", mode: "FORCED" },
  { to: "begin generation", reason: "read lock lost" },
];

/** Every outcome that makes a difference: a WAL that is empty, unchanged, longer, shorter, restarted; locks or none. */
function outcomesOf(step: Step): readonly Outcome[] {
  switch (step.do) {
    case "begin read":
      return [
        { of: step.do, lock: "mark" },
        { of: step.do, lock: "zero" },
      ];
    case "prove shadow":
      return [
        { of: step.do, captured: state() },
        { of: step.do, captured: undefined, reason: "no shadow wal" },
      ];
    case "look":
      return [view(), view({ mxFrame: 11 }), view({ mxFrame: 9 }), view({ mxFrame: 0 }), view({ salts: otherSalts })]
        .flatMap((seen) => [seen, { ...seen, nBackfill: seen.mxFrame }])
        .map((seen) => ({ of: step.do, view: seen, atMs: 1 }));
    case "copy":
      return [
        { of: step.do, captured: state() },
        ...(step.looksLeft > 3 ? [{ of: step.do, captured: undefined }] : []),
      ];
    case "begin generation":
      return [{ of: step.do, captured: state({ index: walIndex(0), tail: undefined }) }];
    case "keep writers out":
      return [
        { of: step.do, isLocked: true },
        { of: step.do, isLocked: false },
      ];
    default:
      return [{ of: step.do }];
  }
}

interface Moment {
  readonly before: Protocol;
  readonly step: Step;
  readonly after: Protocol;
  readonly failed: boolean;
}

/** Every transition that can be reached from nothing, by any goals, outcomes and failures. */
function everyTransition(): Moment[] {
  const moments: Moment[] = [];
  const seen = new Set<string>();
  const open: Protocol[] = [nothingHeld];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const key = JSON.stringify(at);
    if (seen.has(key)) continue;
    seen.add(key);
    const step = nextStep(at);
    if (step === undefined) {
      for (const goal of goals) open.push(begin(at, goal));
      continue;
    }
    for (const outcome of outcomesOf(step)) {
      const after = afterStep(at, outcome);
      moments.push({ before: at, step, after, failed: false });
      open.push(after);
    }
    for (const isProven of [true, false]) {
      // A transaction ends for certain: at worst its connection is closed.
      if (step.do === "end read" || step.do === "take back read" || step.do === "let writers in") continue;
      const after = afterFailure(at, isProven);
      moments.push({ before: at, step, after, failed: true });
      open.push(after);
    }
  }
  return moments;
}

const transitions = everyTransition();

describe(`the protocol, in each of its ${transitions.length} transitions`, () => {
  test("is covered only while a read lock is held or writers are kept out", () => {
    for (const { after } of transitions) {
      if (after.covered) expect(after.reads.length > 0 || after.writersOut).toBe(true);
    }
  });

  test("lets go of the last read lock only while writers are kept out, and right after everything was copied", () => {
    let met = 0;
    for (const { before, after, step } of transitions) {
      if (before.reads.length === 0 || after.reads.length > 0) continue;
      met += 1;
      expect(step.do).toBe("end read");
      expect(before.writersOut).toBe(true);
      expect(before.covered).toBe(true);
    }
    expect(met).toBeGreaterThan(0);
  });

  test("lets writers in with a read lock, or is no longer covered", () => {
    let met = 0;
    for (const { before, after } of transitions) {
      if (!before.writersOut || after.writersOut) continue;
      met += 1;
      expect(after.reads.length > 0 || !after.covered).toBe(true);
    }
    expect(met).toBeGreaterThan(0);
  });

  test("begins a second read transaction before it ends the first, and holds no more than two", () => {
    for (const { after } of transitions) expect(after.reads.length).toBeLessThanOrEqual(2);
    for (const { before, step } of transitions) {
      if (step.do === "end read" && !before.writersOut) expect(before.reads).toHaveLength(2);
    }
  });

  test("moves the remainder of the WAL only when no read lock of ours is in its way and nobody can append", () => {
    for (const { before, step } of transitions) {
      if (step.do !== "move rest") continue;
      expect(before.reads).toEqual([]);
      expect(before.writersOut).toBe(true);
      expect(before.covered).toBe(true);
    }
  });

  test("adds to a shadow WAL only after that was proven", () => {
    for (const { before, step } of transitions) if (step.do === "copy") expect(before.isProven).toBe(true);
  });

  test("comes to rest with writers let in and one read transaction, unless that was refused", () => {
    for (const { before, step, after, failed } of transitions) {
      if (after.plan.length > 0) continue;
      expect(after.writersOut).toBe(false);
      expect(after.reads.length).toBeLessThanOrEqual(1);
      if (after.reads.length === 0) expect([failed, step.do, before.writersOut]).not.toEqual([false, "look", false]);
    }
  });

  test("moves on from lock zero once the WAL has a frame that is not in the database file", () => {
    const onZero = { ...nothingHeld, captured: state(), isProven: true, covered: true, reads: ["zero"] as const };
    const look = { of: "look", view: view(), atMs: 1 } as const;
    expect(nextStep(afterStep(begin(onZero, { to: "sync" }), look))?.do).toBe("begin read");
    expect(nextStep(afterStep(begin({ ...onZero, reads: ["mark"] }, { to: "sync" }), look))).toBeUndefined();
    const allMoved = { ...look, view: view({ nBackfill: 10 }) };
    expect(nextStep(afterStep(begin(onZero, { to: "sync" }), allMoved))).toBeUndefined();
  });
});

describe("a checkpoint", () => {
  /** The steps of one against a writer that adds so many frames in each round, which moves what it finds. */
  function stepsAgainst(framesAtFirst: number, addedByRound: readonly number[], isReaderInTheWay = false): string[] {
    const steps: string[] = [];
    let [mxFrame, nBackfill, rounds] = [framesAtFirst, 0, 0];
    const held: Protocol = { ...nothingHeld, captured: state(), isProven: true, covered: true, reads: ["mark"] };
    let at = begin(held, { to: "checkpoint", mode: "PASSIVE" });
    for (let step = nextStep(at); step !== undefined; step = nextStep(at)) {
      if (step.do !== "look" && step.do !== "copy") steps.push(step.do);
      if (step.do === "move bulk" && !isReaderInTheWay) nBackfill = mxFrame;
      if (step.do === "flush") mxFrame += addedByRound[rounds++] ?? 0;
      at = afterStep(at, outcomeOf(step, view({ mxFrame, nBackfill })));
    }
    return steps;
  }

  function outcomeOf(step: Step, seen: WalIndexView): Outcome {
    switch (step.do) {
      case "look":
        return { of: step.do, view: seen, atMs: 1 };
      case "copy": {
        const end = { offset: frameEndOffset(step.view.mxFrame, pageSize), checksum: step.view.frameChecksum };
        return { of: step.do, captured: state({ tail: { header: headerWith(salts), end } }) };
      }
      case "begin read":
        return { of: step.do, lock: "mark" };
      case "keep writers out":
        return { of: step.do, isLocked: true };
      case "prove shadow":
      case "begin generation":
        throw new Error(`${step.do} is no part of a checkpoint`);
      default:
        return { of: step.do };
    }
  }

  const round = ["begin read", "end read", "move bulk", "flush"];
  const rest = ["keep writers out", "end read", "move rest", "begin read"];

  test("moves in rounds, each half as long as the one before or shorter, until little is left", () => {
    expect(stepsAgainst(1000, [0])).toEqual([...round, ...rest, "let writers in"]);
    expect(stepsAgainst(1000, [32])).toEqual([...round, ...rest, "let writers in"]);
    expect(stepsAgainst(1000, [500, 250, 20])).toEqual([...round, ...round, ...round, ...rest, "let writers in"]);
  });

  test("keeps writers out at once where another round would not get ahead of them", () => {
    expect(stepsAgainst(1000, [501])).toEqual([...round, ...rest, "let writers in"]);
    expect(stepsAgainst(1000, [400, 400])).toEqual([...round, ...round, ...rest, "let writers in"]);
  });

  test("makes writers wait for every flush where they add more than is moved meanwhile", () => {
    expect(stepsAgainst(1000, [1001])).toEqual([...round, ...rest, "flush shadow", "let writers in"]);
  });

  test("is one round where a reader keeps frames from being moved", () => {
    expect(stepsAgainst(1000, [10], true)).toEqual([...round, ...rest, "let writers in"]);
  });
});
