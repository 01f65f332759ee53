/** Small objects are asked for together where each costs the way to a server and back. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { rowsDigest, tempFolder } from "@litestream/testkit";
import { parseGeneration } from "../../src/generation.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { restore } from "../../src/restore/restore.ts";
import { verifyReplica } from "../../src/restore/verify.ts";
import { FileStore } from "../../src/store/file.ts";
import type { ReadableStore, ReadOptions, StoreEntry } from "../../src/store/store.ts";
import { goldenFixturesFolder } from "../golden-replica.ts";

const path = join(goldenFixturesFolder, "v05-upgraded-from-v0313", "replica");
const generation = parseGeneration("d96aa093f67fb2f5");
const outputName = "restored.db";

/** Answers a read of WAL only when so many of them have been asked for, or all that there are. */
class DistantStore implements ReadableStore {
  readonly readsAtOnce: number;
  readonly location = path;
  readonly #store = new FileStore(path);
  readonly #expected: number;
  readonly #enough = Promise.withResolvers<void>();
  #open = 0;
  openMax = 0;
  readonly reads: string[] = [];

  constructor(readsAtOnce: number, expected: number) {
    this.readsAtOnce = readsAtOnce;
    this.#expected = expected;
  }

  list(prefix: string, signal?: AbortSignal): Promise<StoreEntry[]> {
    return this.#store.list(prefix, signal);
  }

  async *read(key: string, options?: ReadOptions): AsyncGenerator<Uint8Array, void, undefined> {
    if (!key.includes("/wal/")) return yield* this.#store.read(key, options);
    this.reads.push(key);
    this.openMax = Math.max(this.openMax, ++this.#open);
    if (this.#open >= this.#expected) this.#enough.resolve();
    await this.#enough.promise;
    try {
      yield* this.#store.read(key, options);
    } finally {
      this.#open--;
    }
  }
}

async function restored(store: ReadableStore, parallelism?: number): Promise<string> {
  await using folder = await tempFolder();
  const replica = new StoreReplicaReader(store, { type: "file" });
  const outputPath = folder.join(outputName);
  await restore({ replica, generation, outputPath, ...(parallelism !== undefined && { parallelism }) });
  return rowsDigest(outputPath);
}

test("a restore asks for so many segments at a time, each of them once", async () => {
  const store = new DistantStore(4, 4);
  expect(await restored(store)).toBe(await restored(new FileStore(path)));
  expect(store.openMax).toBeGreaterThanOrEqual(4);
  expect(store.openMax).toBeLessThanOrEqual(5);
  expect(store.reads).toEqual([...new Set(store.reads)]);
});

test("parallelism says how many", async () => {
  const store = new DistantStore(8, 2);
  await restored(store, 2);
  expect(store.openMax).toBeLessThanOrEqual(3);
});

test("a verification does so, too", async () => {
  const store = new DistantStore(4, 4);
  const replica = new StoreReplicaReader(store, { type: "file" });
  expect(await verifyReplica({ replica })).toMatchObject({ isSound: true });
  expect(store.reads).toEqual([...new Set(store.reads)]);
});
