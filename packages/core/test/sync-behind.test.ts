import { describe, expect, test } from "bun:test";
import { tempFolder } from "@litestream/testkit";
import { handleFaultPoints } from "../src/fault-point.ts";
import { LocalFile } from "../src/local-file.ts";
import { SyncBehind } from "../src/sync-behind.ts";
import { failureOf } from "./bytes.ts";

/** More than it lets wait. */
const manyBytes = 64 * 1024 * 1024;

describe("SyncBehind", () => {
  /** Which of the flushes fail, by their number; counts all. */
  async function withFlushes(fail: readonly number[], work: (flushing: SyncBehind) => Promise<void>): Promise<number> {
    await using folder = await tempFolder();
    using file = LocalFile.createNew(folder.join("file"), 0o600, (error) => error);
    file.writeAt(new Uint8Array(100), 0);
    let count = 0;
    using _ = handleFaultPoints((point) => {
      if (point.kind !== "file" || point.operation !== "sync") return;
      if (fail.includes(++count)) throw new Error(`flush ${count} failed`);
    });
    await work(new SyncBehind(file));
    return count;
  }

  test("flushes at the end whatever little was written", async () => {
    const count = await withFlushes([], async (flushing) => {
      flushing.written(100);
      await flushing.end();
    });
    expect(count).toBe(1);
  });

  test("begins by itself after much was written, once while that goes on", async () => {
    const count = await withFlushes([], async (flushing) => {
      flushing.written(manyBytes);
      flushing.written(manyBytes);
      await flushing.end();
    });
    expect(count).toBe(2);
  });

  test("begins when it is told to, also while another flush goes on, unless nothing was written", async () => {
    const count = await withFlushes([], async (flushing) => {
      flushing.written(manyBytes);
      flushing.begin();
      flushing.written(100);
      flushing.begin();
      await flushing.end();
    });
    expect(count).toBe(3);
  });

  for (const failing of [1, 2, 3]) {
    test(`ends with the error of flush ${failing} of 3, though the others succeed`, async () => {
      const count = await withFlushes([failing], async (flushing) => {
        flushing.written(manyBytes);
        flushing.written(100);
        flushing.begin();
        const error = await failureOf(() => flushing.end());
        expect(error).toMatchObject({ message: `flush ${failing} failed` });
      });
      expect(count).toBe(failing === 3 ? 3 : 2);
    });
  }

  test("throws what a flush failed with when more is written", async () => {
    await withFlushes([1], async (flushing) => {
      flushing.written(manyBytes);
      await failureOf(() => flushing.end());
      expect(() => flushing.written(1)).toThrow("flush 1 failed");
    });
  });
});
