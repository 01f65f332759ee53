import { describe, expect, test } from "bun:test";
import { SeededRandom, type StoreFault, withFaults } from "@litestream/testkit";
import { isLitestreamError, LitestreamError } from "../../src/errors.ts";
import { resumedRead } from "../../src/layout/resumed-read.ts";
import type { ReadOptions, Store, StoreEntry } from "../../src/store/store.ts";
import { collect, failureOf } from "../bytes.ts";

const content = new SeededRandom(5).fill(new Uint8Array(100_000));
const broken = new LitestreamError("REPLICA_UNAVAILABLE", "the connection broke");
const key = "generations/0123456789abcdef/snapshots/00000000.snapshot.lz4";

/** One object in chunks of 1,000 bytes; what is read of it is written down. */
class OneObject implements Store {
  readonly location = "memory";
  entry: StoreEntry = { key, sizeBytes: content.byteLength, modifiedAt: new Date(1000), identity: "first" };
  readonly reads: (ReadOptions | undefined)[] = [];

  list(): Promise<StoreEntry[]> {
    return Promise.resolve([this.entry]);
  }

  async *read(_key: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
    this.reads.push(options);
    for (let at = options?.offset ?? 0; at < content.byteLength; at += 1000) {
      yield content.subarray(at, at + 1000);
      await Promise.resolve();
    }
  }

  put(): Promise<{ sizeBytes: number }> {
    throw new Error("nothing is written");
  }

  delete(): Promise<void> {
    throw new Error("nothing is deleted");
  }
}

function cutting(object: OneObject, afterBytes: number, times: number): Store {
  const cut = { on: "read", effect: "cut", afterBytes, times, error: broken } as const;
  return withFaults(object, [cut]).store;
}

describe("resumedRead", () => {
  test("goes on at the byte reached, of the content that was listed", async () => {
    const object = new OneObject();
    const store = cutting(object, 33_333, 3);
    const read = await collect(resumedRead(store, key, object.entry, 0, undefined));
    expect(read.equals(content)).toBe(true);
    expect(object.reads.map((options) => options?.offset)).toEqual([0, 33_333, 66_666, 99_999]);
    expect(object.reads.every((options) => options?.identity === "first")).toBe(true);
  });

  test("begins where it is told, and goes on from there", async () => {
    const object = new OneObject();
    const read = await collect(resumedRead(cutting(object, 500, 1), key, undefined, 7000, undefined));
    expect(read.equals(content.subarray(7000))).toBe(true);
    expect(object.reads.map((options) => options?.offset)).toEqual([7000, 7500]);
  });

  test("never mixes two contents", async () => {
    for (const change of [{ identity: "second" }, { sizeBytes: 5 }, { modifiedAt: new Date(2000) }]) {
      const object = new OneObject();
      if (change.identity === undefined)
        object.entry = { key, sizeBytes: content.byteLength, modifiedAt: new Date(1000) };
      const listed = object.entry;
      object.entry = { ...listed, ...change };
      const error = await failureOf(() => collect(resumedRead(cutting(object, 5000, 1), key, listed, 0, undefined)));
      expect(isLitestreamError(error, "OBJECT_CHANGED")).toBe(true);
    }
  });

  test("gives up where nothing comes any more, and at once where nothing came at all", async () => {
    const object = new OneObject();
    const readsAfter = async (faults: readonly StoreFault[]): Promise<number> => {
      const failing = withFaults(object, faults);
      const read = (): Promise<Buffer> => collect(resumedRead(failing.store, key, object.entry, 0, undefined));
      expect(await failureOf(read)).toBe(broken);
      return failing.operations().filter(({ kind }) => kind === "read").length;
    };
    const dead: StoreFault = { on: "read", effect: "fail", times: Infinity, error: broken };
    const cut: StoreFault = { on: "read", effect: "cut", afterBytes: 5000, error: broken };
    expect(await readsAfter([cut, { ...dead, nth: 2 }])).toBe(6);
    expect(await readsAfter([dead])).toBe(1);
  });
});
