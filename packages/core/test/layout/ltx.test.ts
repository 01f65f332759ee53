import { describe, expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import {
  type LtxInfo,
  ltxInfo,
  ltxKey,
  ltxLevelKey,
  type LtxObstacle,
  type LtxPlan,
  ltxStates,
  type LtxTarget,
  parseLtxKey,
  planLtx,
} from "../../src/layout/ltx.ts";
import { txid } from "../../src/ltx/txid.ts";

/** A file, from `level:min-max@time`; its time is that of its last transaction where absent. */
function file(text: string): LtxInfo {
  const [, level, min, max, time] = /^(\d):(\d+)-(\d+)(?:@(\d+))?$/.exec(text) ?? [];
  if (level === undefined || min === undefined || max === undefined) throw new Error(`no file: ${text}`);
  const name = { level: Number(level), minTxid: txid(BigInt(min)), maxTxid: txid(BigInt(max)) };
  const path = ltxKey(name, "decimal");
  const createdAt = new Date(Number(time ?? max) * 1000);
  return { ...name, path, sizeBytes: 1000, createdAt, modifiedAt: createdAt, isDated: true };
}

function files(text: string): LtxInfo[] {
  return text.split(" ").map(file);
}

function show(plan: LtxPlan | LtxObstacle): string {
  if (plan.kind === "plan") {
    return plan.files.map(({ level, minTxid, maxTxid }) => `${level}:${minTxid}-${maxTxid}`).join(" ");
  }
  const { reason, missing, earlier, later } = plan;
  const range = missing === undefined ? "" : ` ${missing.minTxid}-${missing.maxTxid}`;
  return `${reason}${range}, ${earlier?.txid ?? "none"} < ${later?.txid ?? "none"}`;
}

function plan(text: string, target: { txid?: number; seconds?: number } = {}, exclude: string[] = []): string {
  const excluded = new Set(exclude.map((other) => file(other).path));
  return show(planLtx(files(text), targetOf(target), excluded));
}

function targetOf(target: { txid?: number; seconds?: number }): LtxTarget {
  return {
    ...(target.txid !== undefined && { txid: txid(BigInt(target.txid)) }),
    ...(target.seconds !== undefined && { timestamp: new Date(target.seconds * 1000) }),
  };
}

describe("keys", () => {
  const name = { level: 9, minTxid: txid(1n), maxTxid: txid(0xabcn) };

  test("are Litestream's, in folders and in object stores", () => {
    expect(ltxKey(name, "decimal")).toBe("ltx/9/0000000000000001-0000000000000abc.ltx");
    expect(ltxKey(name, "hexadecimal")).toBe("0009/0000000000000001-0000000000000abc.ltx");
    expect([ltxLevelKey(0, "decimal"), ltxLevelKey(0, "hexadecimal")]).toEqual(["ltx/0", "0000"]);
  });

  test("parse to the parts they were made of", () => {
    for (let level = 0; level <= 9; level++) {
      for (const [minTxid, maxTxid] of [
        [txid(1n), txid(1n)],
        [txid(2n), txid(2n ** 64n - 1n)],
      ] as const) {
        for (const style of ["decimal", "hexadecimal"] as const) {
          expect(parseLtxKey(ltxKey({ level, minTxid, maxTxid }, style))).toEqual({ level, minTxid, maxTxid });
        }
      }
    }
  });

  test("of other things parse to nothing", () => {
    for (const key of [
      "ltx/0/000000000000000d-000000000000000d.ltx.tmp",
      "ltx/0/0000000000000099.ltx",
      "ltx/0/00000000000000AA-00000000000000AA.ltx",
      "ltx/0/README.txt",
      "ltx/10/0000000000000001-0000000000000001.ltx",
      "ltx/a/0000000000000001-0000000000000001.ltx",
      "000a/0000000000000001-0000000000000001.ltx",
      "x/ltx/0/0000000000000001-0000000000000001.ltx",
      "ltx/0/0000000000000000-0000000000000001.ltx",
      "ltx/0/0000000000000002-0000000000000001.ltx",
      "",
    ]) {
      expect(parseLtxKey(key)).toBeUndefined();
      expect(ltxInfo({ key, sizeBytes: 1000, modifiedAt: new Date() })).toBeUndefined();
    }
  });
});

describe("planLtx", () => {
  const basic =
    "0:1-1 0:2-2 0:3-3 0:4-4 0:5-5 0:6-6 0:7-7 0:8-8 0:9-9 0:10-10 0:11-11 0:12-12 0:13-13 0:14-14 0:15-15" +
    " 1:1-2 1:3-4 1:5-7 1:8-9 1:10-11 1:12-15 2:1-2 2:3-11 9:1-2@3 9:1-8@9";

  test("takes the newest snapshot, then the files that go furthest, as Litestream 0.5.16 does", () => {
    expect(plan(basic)).toBe("9:1-8 2:3-11 1:12-15");
    expect(plan(basic, { txid: 13 })).toBe("9:1-8 2:3-11 0:12-12 0:13-13");
    expect(plan(basic, { txid: 8 })).toBe("9:1-8");
    expect(plan(basic, { txid: 7 })).toBe("9:1-2 1:3-4 1:5-7");
    expect(plan(basic, { txid: 1 })).toBe("0:1-1");
  });

  test("takes files strictly before a time", () => {
    expect(plan(basic, { seconds: 11 })).toBe("9:1-8 1:8-9 0:10-10");
    expect(plan(basic, { seconds: 9 })).toBe("9:1-2 1:3-4 1:5-7 0:8-8");
    expect(plan(basic, { seconds: 15 })).toBe("9:1-8 2:3-11 0:12-12 0:13-13 0:14-14");
    expect(plan(basic, { seconds: 15.001 })).toBe("after-last, 15 < none");
    expect(plan(basic, { seconds: 1 })).toBe("before-first, none < 1");
    expect(plan(basic, { seconds: 0 })).toBe("before-first, none < 1");
  });

  test("goes around files that cannot be used, and gives the same state", () => {
    expect(plan(basic, {}, ["9:1-8"])).toBe("9:1-2 2:3-11 1:12-15");
    expect(plan(basic, {}, ["9:1-8", "9:1-2", "2:1-2", "1:1-2"])).toBe("0:1-1 0:2-2 2:3-11 1:12-15");
    expect(plan(basic, {}, ["2:3-11"])).toBe("9:1-8 1:8-9 1:10-11 1:12-15");
    expect(plan(basic, {}, ["1:12-15", "2:3-11"])).toBe("9:1-8 1:8-9 1:10-11 0:12-12 0:13-13 0:14-14 0:15-15");
    expect(plan(basic, {}, ["1:12-15", "0:14-14"])).toBe("gap 14-14, 13 < none");
    const empty = files(basic).map((info) => (info.level === 9 ? { ...info, sizeBytes: 130 } : info));
    expect(show(planLtx(empty))).toBe("2:1-2 2:3-11 1:12-15");
  });

  test("needs nothing before a file that begins at transaction 1", () => {
    expect(plan("9:1-8 3:1-12 0:13-13")).toBe("3:1-12 0:13-13");
  });

  test("says what is missing, instead of giving an older state than the replica claims to hold", () => {
    expect(plan("0:1-1 0:2-2 0:5-5 0:6-6")).toBe("gap 3-4, 2 < none");
    expect(plan("0:1-1 0:2-2 0:5-5 0:6-6", { seconds: 6 })).toBe("gap 3-4, 2 < none");
    expect(plan("0:1-1 0:2-2 0:5-5 0:6-6", { seconds: 5 })).toBe("0:1-1 0:2-2");
    expect(plan("0:1-1 0:2-2 0:5-5 0:6-6", { txid: 6 })).toBe("gap 3-4, 2 < none");
    expect(plan("0:1-1 0:2-2 0:5-5 0:6-6", { txid: 3 })).toBe("gap 3-4, 2 < none");
    expect(plan("1:3-5 9:1-7", { txid: 5 })).toBe("gap 1-2, none < 7");
    expect(plan("1:3-5")).toBe("gap 1-2, none < none");
    expect(plan("0:1-1 0:2-2", {}, ["0:2-2"])).toBe("gap 2-2, 1 < none");
    expect(plan("0:1-1", {}, ["0:1-1"])).toBe("gap 1-1, none < none");
    expect(show(planLtx([]))).toBe("empty, none < none");
  });

  test("says that a transaction can no longer be told from others", () => {
    const compacted = "9:1-12 1:13-13 1:14-15 0:16-16";
    expect(plan(compacted, { txid: 14 })).toBe("compacted, 13 < 15");
    expect(plan(compacted, { txid: 5 })).toBe("compacted, none < 12");
    expect(plan(compacted, { txid: 17 })).toBe("after-last, 16 < none");
    const dated = planLtx(files(compacted), { timestamp: new Date(15_000) });
    expect(show(dated)).toBe("9:1-12 1:13-13");
    expect(dated.kind === "plan" && [dated.state.txid, dated.next?.txid].map(String)).toEqual(["13", "15"]);
  });

  test("finds a way wherever there is one, and only there", () => {
    const seed = 3;
    const random = new SeededRandom(seed);
    for (let round = 0; round < 2000; round++) {
      const listing = Array.from({ length: 1 + random.below(14) }, () => {
        const min = 1 + random.below(9);
        return file(
          `${random.below(10)}:${random.below(3) === 0 ? 1 : min}-${min + random.below(4)}@${random.below(9)}`,
        );
      });
      const exclude = new Set(listing.filter(() => random.below(6) === 0).map(({ path }) => path));
      const target = targetOf(
        [{}, { txid: 1 + random.below(12) }, { seconds: random.below(10) }][random.below(3)] ?? {},
      );
      const chosen = planLtx(listing, target, exclude);
      const context = `seed ${seed}, round ${round}: ${show(chosen)}`;
      const usable = listing.filter(({ path }) => !exclude.has(path));
      const isWithin = ({ maxTxid, createdAt }: LtxInfo): boolean =>
        target.txid === undefined
          ? target.timestamp === undefined || createdAt < target.timestamp
          : maxTxid <= target.txid;
      const reachable = reach(usable.filter(isWithin));
      const claimed = target.txid ?? highest(listing.filter(isWithin));
      const dated =
        target.timestamp === undefined || listing.some(({ createdAt }) => createdAt >= (target.timestamp ?? 0));
      const expected = dated && claimed !== undefined && reachable.has(claimed);
      expect(`${context}: ${chosen.kind}`).toBe(`${context}: ${expected ? "plan" : "obstacle"}`);
      expect<bigint[]>(ltxStates(listing, exclude).map((state) => state.txid)).toEqual(
        [...reach(usable)].toSorted(byNumber),
      );
      if (chosen.kind !== "plan") continue;
      let state = 0n;
      for (const info of chosen.files) {
        expect(usable.includes(info) && isWithin(info)).toBe(true);
        expect(info.minTxid <= state + 1n && info.maxTxid > state).toBe(true);
        state = info.maxTxid;
      }
      expect(state).toBe(claimed ?? 0n);
    }
  });
});

/** Every state that any order of files leads to. */
function reach(entries: readonly LtxInfo[]): Set<bigint> {
  const states = new Set([0n]);
  for (let size = 0; size < states.size;) {
    size = states.size;
    for (const { minTxid, maxTxid } of entries) {
      if ([...states].some((state) => minTxid <= state + 1n && maxTxid > state)) states.add(maxTxid);
    }
  }
  states.delete(0n);
  return states;
}

function highest(entries: readonly LtxInfo[]): bigint | undefined {
  return entries
    .map(({ maxTxid }) => BigInt(maxTxid))
    .toSorted(byNumber)
    .at(-1);
}

function byNumber(a: bigint, b: bigint): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
