import { describe, expect, test } from "bun:test";
import { isLitestreamError } from "../../src/errors.ts";
import { formatPosition, type Position, walIndex } from "../../src/position.ts";
import { failureOf } from "../bytes.ts";
import { type OwnReplica, ownReplica } from "./own-replica.ts";

async function positionAt(replica: OwnReplica, timeMs: number): Promise<Position> {
  const { result } = await replica.restored({ timestamp: new Date(timeMs) });
  if (result.layout !== "wal") throw new Error("it was restored from LTX files");
  return result.position;
}

describe("restore of a position", () => {
  test("gives exactly the state after the commit that ends there", async () => {
    await using replica = await ownReplica(8);
    for (const { timeMs, transactions } of replica.states.slice(0, -1)) {
      const position = await positionAt(replica, timeMs);
      const restored = await replica.restored({ position });
      expect(restored.transactions).toBe(transactions);
      expect(restored.result).toMatchObject({ position, lost: undefined, droppedBytes: 0 });
    }
  });

  test("gives what was before a WAL at its beginning", async () => {
    await using replica = await ownReplica(8);
    const { result } = await replica.restored();
    if (result.layout !== "wal") throw new Error("it was restored from LTX files");
    const { generation, index } = result.position;
    expect(index).toBeGreaterThan(0);
    const before = await replica.restored({ generation, index: walIndex(index - 1) });
    for (const offset of [0, 32]) {
      const restored = await replica.restored({ position: { generation, index, offset } });
      expect(restored).toEqual(before);
    }
  });

  test("fails where no commit ends, in any WAL, and says which one ends before", async () => {
    await using replica = await ownReplica(8);
    const { result } = await replica.restored();
    if (result.layout !== "wal") throw new Error("it was restored from LTX files");
    const { position } = result;
    const ends = [position, await positionAt(replica, replica.states.at(2)?.timeMs ?? 0)];
    for (const end of ends) {
      for (const offset of [end.offset + 1, end.offset + 4096 + 24, end.offset * 1000]) {
        const error = await failureOf(() => replica.restored({ position: { ...end, offset } }));
        if (!isLitestreamError(error)) throw error;
        expect(error.code).toBe("NO_SUCH_POINT");
        expect(error.position).toBe(formatPosition({ ...end, offset }));
      }
    }
    const next = { ...position, index: walIndex(position.index + 1), offset: 4152 };
    const error = await failureOf(() => replica.restored({ position: next }));
    expect(isLitestreamError(error, "NO_SUCH_POINT") && error.message).toContain("has nothing of WAL");
  });
});
