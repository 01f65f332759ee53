import { describe, expect, test } from "bun:test";
import { parseGeneration } from "../../src/generation.ts";
import { type Position, walIndex } from "../../src/position.ts";
import { firstToKeep, type ShadowNeed } from "../../src/shadow/release.ts";

const generation = parseGeneration("aaaaaaaaaaaaaaaa");
const other = parseGeneration("bbbbbbbbbbbbbbbb");

function at(index: number, of = generation): Position {
  return { generation: of, index: walIndex(index), offset: 4152 };
}

function need(position: Position | undefined, sizeBytesMax = 1e9, snapshot?: Position): ShadowNeed {
  return { position, snapshot, sizeBytesMax: () => sizeBytesMax };
}

/** The current WAL is 20, the lowest one held 10, and each of them has 100 bytes. */
function kept(...needs: ShadowNeed[]): number {
  return firstToKeep({ generation, index: walIndex(20) }, 10, needs, () => 100);
}

describe("firstToKeep", () => {
  test("keeps the newest two where every replica has everything", () => {
    expect(kept(need(at(20)))).toBe(19);
    expect(kept(need(at(20)), need(at(20)))).toBe(19);
  });

  test("keeps what each replica has yet to copy, and one before it", () => {
    expect(kept(need(at(15)))).toBe(14);
    expect(kept(need(at(20)), need(at(17)))).toBe(16);
    expect(kept(need(at(10)))).toBe(10);
  });

  test("keeps everything for a replica of which nothing is known, or that is in another generation", () => {
    expect(kept(need(at(20)), need(undefined))).toBe(10);
    expect(kept(need(at(30, other)))).toBe(10);
  });

  test("keeps for a replica no more than its bound, but the newest three", () => {
    expect(kept(need(at(11), 550))).toBe(16);
    expect(kept(need(undefined, 550))).toBe(16);
    expect(kept(need(at(11), 1100))).toBe(10);
    expect(kept(need(at(11), 0))).toBe(18);
    expect(kept(need(at(19), 0))).toBe(18);
    expect(kept(need(at(11), 550), need(at(13)))).toBe(12);
  });

  test("keeps the WAL of a snapshot under way, whatever the bound", () => {
    expect(kept(need(at(11), 0, at(12)))).toBe(12);
    expect(kept(need(undefined, 0, at(12)))).toBe(12);
    expect(kept(need(at(11), 0, at(12, other)))).toBe(18);
  });
});
