import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { parseGeneration } from "../../src/generation.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { parseReaderLeaseKey, readerLeaseKey, readerLeaseMs, readerLeases } from "../../src/layout/reader-lease.ts";
import { walIndex } from "../../src/position.ts";
import { ReaderHold } from "../../src/restore/reader-hold.ts";
import { FileStore } from "../../src/store/file.ts";

const generation = parseGeneration("0123456789abcdef");
const other = parseGeneration("fedcba9876543210");
const id = "00112233445566ff";

describe("readerLeases", () => {
  const entry = (key: string, modifiedMs: number) => ({ key, sizeBytes: 0, modifiedAt: new Date(modifiedMs) });
  const now = 1_700_000_000_000;

  test("tells of each generation the lowest index that somebody reads", () => {
    const { held, expired } = readerLeases(
      [
        entry(readerLeaseKey({ generation, index: walIndex(5), id }), now - 1000),
        entry(readerLeaseKey({ generation, index: walIndex(3), id }), now + 1000),
        entry(readerLeaseKey({ generation: other, index: walIndex(9), id }), now),
        entry("generations/0123456789abcdef/wal/00000000.wal", now),
        entry("reader-0123456789abcdef-00000000", now),
      ],
      now,
    );
    expect([...held]).toEqual([
      [generation, walIndex(3)],
      [other, walIndex(9)],
    ]);
    expect(expired).toEqual([]);
  });

  test("takes one whose time is far away, in the past or in the future, for nobody's", () => {
    const keys = [1, 2].map((index) => readerLeaseKey({ generation, index: walIndex(index), id }));
    const [past = "", future = ""] = keys;
    const found = readerLeases([entry(past, now - readerLeaseMs - 1), entry(future, now + readerLeaseMs + 1)], now);
    expect(found.held.size).toBe(0);
    expect(found.expired).toEqual(keys);
  });
});

describe("ReaderHold", () => {
  const leasesIn = async (store: FileStore) =>
    (await store.list("reader-")).map(({ key }) => parseReaderLeaseKey(key)?.index);
  const waitFor = async (store: FileStore, indexes: number[]): Promise<void> => {
    while (!Bun.deepEquals(await leasesIn(store), indexes.map(walIndex))) await Bun.sleep(1);
  };

  test("holds what is read, and what is read later, until it is disposed of", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    const reader = new StoreReplicaReader(store, { type: "file", leaseStore: store });
    {
      await using hold = new ReaderHold(reader, { afterMs: 0, everyMs: 5 });
      hold.hold(generation, walIndex(2));
      await waitFor(store, [2]);
      const [first] = await store.list("reader-");
      hold.hold(generation, walIndex(4));
      await waitFor(store, [4]);
      const [second] = await store.list("reader-");
      while ((await store.list("reader-"))[0]?.modifiedAt.getTime() === second?.modifiedAt.getTime())
        await Bun.sleep(1);
      expect(first?.key).not.toBe(second?.key);
    }
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("writes nothing for who is done before, nor where it may not", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    {
      await using hold = new ReaderHold(new StoreReplicaReader(store, { type: "file", leaseStore: store }));
      hold.hold(generation, walIndex(2));
    }
    expect(readdirSync(folder.path)).toEqual([]);
    const failing = {
      put: () => Promise.reject(new Error("read-only")),
      delete: () => Promise.reject(new Error("read-only")),
    };
    await using hold = new ReaderHold({ leases: failing }, { afterMs: 0, everyMs: 1 });
    hold.hold(generation, walIndex(2));
    await Bun.sleep(5);
  });
});

describe("FileStore.list", () => {
  test("finds all keys that begin with the prefix, in whatever folder", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    await store.put("reader-a", (async function* () {})());
    await store.put("a/b/c", (async function* () {})());
    expect((await store.list("reader-")).map(({ key }) => key)).toEqual(["reader-a"]);
    expect((await store.list("a/b")).map(({ key }) => key)).toEqual(["a/b/c"]);
    expect((await store.list("a")).map(({ key }) => key)).toEqual(["a/b/c"]);
  });
});
