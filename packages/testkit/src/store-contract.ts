/**
 * What every store of a replica has to do, as tests. A store that passes can be registered with `registerStore` of
 * @litestream/core:
 *
 *     describeStore("AzureStore", async () => ({ store: new AzureStore(newContainer()), async dispose() { ... } }));
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { SeededRandom } from "./seeded-random.ts";

/** An object as a listing shows it. */
export interface ContractEntry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly identity?: string;
}

/** `Store` of @litestream/core, which this package does not know. */
export interface ContractStore {
  readonly location: string;
  list(prefix: string, signal?: AbortSignal): Promise<ContractEntry[]>;
  read(
    key: string,
    options?: {
      readonly offset?: number;
      readonly endOffset?: number;
      readonly identity?: string;
      readonly signal?: AbortSignal;
    },
  ): AsyncIterable<Uint8Array>;
  put(
    key: string,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    options?: { readonly sizeHintBytes?: number },
  ): Promise<{ readonly sizeBytes: number }>;
  delete(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  removeUnfinished?(prefix: string, signal?: AbortSignal): Promise<string[]>;
  readonly conditional?: {
    get(key: string): Promise<{ readonly bytes: Uint8Array; readonly identity: string } | undefined>;
    putIf(
      key: string,
      bytes: Uint8Array,
      before: string | undefined,
    ): Promise<{ readonly identity: string } | "changed" | "unable">;
  };
}

/** A store with nothing in it, for one test. */
export interface OpenedStore {
  readonly store: ContractStore;
  dispose(): Promise<void>;
}

export interface ContractOptions {
  /** Larger than what the store writes at once; 20 MiB when absent. */
  readonly largeSizeBytes?: number;
  /** More than one page of a listing, and than one request to delete; 1003 when absent. */
  readonly manyKeys?: number;
}

/** Keys with what escaping goes wrong with. */
const oddKeys = [
  "a b/c d.txt",
  "plus+and%20percent%",
  "quotes'\"and(brackets)*!",
  "ümlaut/日本/😀",
  "amp&lt<gt>;=?#",
  "tilde~dash-dot.under_score",
];

/** Registers the tests. @param open called by each test, for a store of its own */
export function describeStore(name: string, open: () => Promise<OpenedStore>, options: ContractOptions = {}): void {
  const { largeSizeBytes = 20 * 1024 * 1024 + 17, manyKeys = 1003 } = options;

  const fact = (what: string, body: (store: ContractStore) => Promise<void>): void => {
    test(
      what,
      async () => {
        const opened = await open();
        try {
          await body(opened.store);
        } finally {
          await opened.dispose();
        }
      },
      60_000,
    );
  };

  describe(`${name} as a store`, () => {
    fact("lists nothing while nothing is there", async (store) => {
      expect(await store.list("")).toEqual([]);
      expect(await store.list("some/prefix")).toEqual([]);
      await store.delete(["no/such", "nor/this"]);
      await store.delete([]);
    });

    fact("gives back what was put, and replaces it", async (store) => {
      expect(await store.put("x/y.bin", chunksOf(text("first and longer"), 3))).toEqual({ sizeBytes: 16 });
      expect(await textAt(store, "x/y.bin")).toBe("first and longer");
      await store.put("x/y.bin", chunksOf(text("second")));
      expect(await textAt(store, "x/y.bin")).toBe("second");
      await store.put("empty", chunksOf(text("")));
      expect(await textAt(store, "empty")).toBe("");
      expect((await store.list("")).map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([
        ["empty", 0],
        ["x/y.bin", 6],
      ]);
    });

    fact("reads from any byte to any other, and nothing behind the end", async (store) => {
      await store.put("k", chunksOf(text("0123456789")));
      expect(await textAt(store, "k", { offset: 3 })).toBe("3456789");
      expect(await textAt(store, "k", { endOffset: 3 })).toBe("012");
      expect(await textAt(store, "k", { offset: 3, endOffset: 5 })).toBe("34");
      expect(await textAt(store, "k", { offset: 9, endOffset: 99 })).toBe("9");
      for (const range of [{ offset: 10 }, { offset: 99 }, { offset: 5, endOffset: 5 }, { offset: 7, endOffset: 3 }]) {
        expect(await textAt(store, "k", range)).toBe("");
      }
      await store.put("empty", chunksOf(text("")));
      expect(await textAt(store, "empty", { offset: 1 })).toBe("");
    });

    fact("keeps keys apart, whatever characters they have", async (store) => {
      for (const key of oddKeys) await store.put(key, chunksOf(text(key)));
      expect((await store.list("")).map(({ key }) => key)).toEqual(oddKeys.toSorted());
      for (const key of oddKeys) expect(await textAt(store, key)).toBe(key);
      expect((await store.list("a b/")).map(({ key }) => key)).toEqual(["a b/c d.txt"]);
      await store.delete(oddKeys.slice(1));
      expect((await store.list("")).map(({ key }) => key)).toEqual(oddKeys.slice(0, 1));
    });

    fact("lists by prefix, in the order of the keys, with size and time", async (store) => {
      const startedAtMs = Date.now();
      for (const key of ["b/2", "b/10", "b.txt", "a/z/9", "b/1/x", "c"]) await store.put(key, chunksOf(text(key)));
      const keys = async (prefix: string): Promise<string[]> => (await store.list(prefix)).map(({ key }) => key);
      expect(await keys("")).toEqual(["a/z/9", "b.txt", "b/1/x", "b/10", "b/2", "c"]);
      expect(await keys("b/")).toEqual(["b/1/x", "b/10", "b/2"]);
      expect(await keys("b/1")).toEqual(["b/1/x", "b/10"]);
      expect(await keys("b")).toEqual(["b.txt", "b/1/x", "b/10", "b/2"]);
      expect(await keys("nowhere/")).toEqual([]);
      for (const { key, sizeBytes, modifiedAt } of await store.list("")) {
        expect(sizeBytes).toBe(key.length);
        // Whole seconds are as exact as many stores are.
        expect(Math.abs(modifiedAt.getTime() - startedAtMs)).toBeLessThan(60_000);
      }
    });

    fact(`lists and deletes more than a page: ${manyKeys} objects`, async (store) => {
      const keys = Array.from({ length: manyKeys }, (_, at) => `many/${String(at).padStart(6, "0")}`);
      const rest = [...keys];
      const work = async (): Promise<void> => {
        for (let key = rest.pop(); key !== undefined; key = rest.pop()) await store.put(key, chunksOf(text(key)));
      };
      await Promise.all(Array.from({ length: 16 }, work));
      await store.put("other", chunksOf(text("other")));
      expect((await store.list("many/")).map(({ key }) => key)).toEqual(keys);
      await store.delete([...keys, "many/none"]);
      expect((await store.list("")).map(({ key }) => key)).toEqual(["other"]);
    });

    fact("stores a large object, and reads it whole, in part, and not to its end", async (store) => {
      const bytes = randomBytes(largeSizeBytes);
      expect(await store.put("large", chunksOf(bytes), undefined, { sizeHintBytes: 1 })).toEqual({
        sizeBytes: largeSizeBytes,
      });
      expect(await sha256At(store, "large")).toBe(sha256(bytes));
      const offset = Math.floor(largeSizeBytes / 3);
      const endOffset = largeSizeBytes - 5;
      expect(await sha256At(store, "large", { offset, endOffset })).toBe(sha256(bytes.subarray(offset, endOffset)));
      for await (const chunk of store.read("large")) {
        expect(Buffer.compare(chunk, bytes.subarray(0, chunk.byteLength))).toBe(0);
        break;
      }
    });

    for (const [size, sizeBytes] of [
      ["small", 3],
      ["large", largeSizeBytes],
    ] as const) {
      fact(`leaves a ${size} object as it was when its new content fails, or is aborted`, async (store) => {
        await store.put("old", chunksOf(text("old")));
        const failure = new Error("the source is gone");
        for (const key of ["old", "new"]) {
          const put = store.put(
            key,
            endingWith(randomBytes(sizeBytes), () => Promise.reject(failure)),
          );
          expect(await failureOf(put)).toBe(failure);
          const controller = new AbortController();
          const abort = async (): Promise<void> => controller.abort();
          const aborted = store.put(key, endingWith(randomBytes(sizeBytes), abort), controller.signal);
          expect(codeOf(await failureOf(aborted))).toBe("ABORTED");
        }
        expect(await textAt(store, "old")).toBe("old");
        expect((await store.list("")).map(({ key }) => key)).toEqual(["old"]);
        // A server may take in what had reached it when the upload was aborted: the next start ends that.
        await store.removeUnfinished?.("");
        expect(await store.removeUnfinished?.("")).toBeOneOf([[], undefined]);
      });
    }

    fact("does nothing once its signal was aborted", async (store) => {
      await store.put("k", chunksOf(text("k")));
      const signal = AbortSignal.abort();
      for (const work of [
        () => store.list("", signal),
        () => Array.fromAsync(store.read("k", { signal })),
        () => store.put("k", chunksOf(text("other")), signal),
        () => store.delete(["k"], signal),
      ]) {
        expect(codeOf(await failureOf(work()))).toBe("ABORTED");
      }
      expect(await textAt(store, "k")).toBe("k");
    });

    fact("says OBJECT_MISSING, and where, for what is not there", async (store) => {
      const error = await failureOf(Array.fromAsync(store.read("no/such")));
      expect(codeOf(error)).toBe("OBJECT_MISSING");
      expect(String(error)).toContain("no/such");
      expect(error).toHaveProperty("path", `${store.location}/no/such`);
    });

    fact("takes several at a time", async (store) => {
      const contents = Array.from({ length: 12 }, (_, at) => randomBytes(100_000 + at, at));
      await Promise.all(contents.map((bytes, at) => store.put(`k${at}`, chunksOf(bytes))));
      const hashes = await Promise.all(contents.map((_, at) => sha256At(store, `k${at}`)));
      expect(hashes).toEqual(contents.map(sha256));
    });

    fact("gives an object of one content, or says that it was changed, while it is replaced", async (store) => {
      const versions = [1, 2].map((seed) => randomBytes(largeSizeBytes, seed));
      const [first = new Uint8Array(0), second = new Uint8Array(0)] = versions;
      await store.put("k", chunksOf(first));
      const reader = store.read("k")[Symbol.asyncIterator]();
      const hash = createHash("sha256");
      const firstChunk = await reader.next();
      if (firstChunk.done !== true) hash.update(firstChunk.value);
      await store.put("k", chunksOf(second));
      try {
        for (let chunk = await reader.next(); chunk.done !== true; chunk = await reader.next())
          hash.update(chunk.value);
        expect(hash.digest("hex")).toBe(sha256(first));
      } catch (error) {
        expect(codeOf(error)).toBe("OBJECT_CHANGED");
      }
      expect(await sha256At(store, "k")).toBe(sha256(second));
    });

    fact("reads by the identity that it lists, where it lists one", async (store) => {
      await store.put("k", chunksOf(text("one")));
      const [before] = await store.list("k");
      if (before?.identity === undefined) return;
      expect(await textAt(store, "k", { identity: before.identity })).toBe("one");
      await store.put("k", chunksOf(text("two")));
      const [after] = await store.list("k");
      expect(after?.identity).not.toBe(before.identity);
      const changed = await failureOf(Array.fromAsync(store.read("k", { identity: before.identity })));
      expect(codeOf(changed)).toBe("OBJECT_CHANGED");
    });

    fact("writes under a condition, where it can", async (store) => {
      const { conditional } = store;
      if (conditional === undefined) return;
      expect(await conditional.get("lock")).toBeUndefined();
      expect(await conditional.putIf("lock", text("zero"), '"of-nothing"')).toBe("changed");
      const first = await conditional.putIf("lock", text("one"), undefined);
      if (typeof first === "string") throw new Error(`a first write is ${first}`);
      expect(await conditional.putIf("lock", text("two"), undefined)).toBe("changed");
      const second = await conditional.putIf("lock", text("three"), first.identity);
      if (typeof second === "string") throw new Error(`a second write is ${second}`);
      expect(await conditional.putIf("lock", text("four"), first.identity)).toBe("changed");
      const found = await conditional.get("lock");
      expect(Buffer.from(found?.bytes ?? []).toString()).toBe("three");
      expect(found?.identity).toBe(second.identity);
    });
  });
}

type Range = { readonly offset?: number; readonly endOffset?: number; readonly identity?: string };

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

/** In chunks, each overwritten once the next is asked for. */
async function* chunksOf(bytes: Uint8Array, chunkSizeBytes: number = 300_000): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += chunkSizeBytes) {
    await Promise.resolve();
    const chunk = Uint8Array.from(bytes.subarray(start, start + chunkSizeBytes));
    yield chunk;
    chunk.fill(0xee);
  }
}

async function* endingWith(bytes: Uint8Array, end: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes);
  await end();
}

function randomBytes(sizeBytes: number, seed: number = 1): Uint8Array {
  return new SeededRandom(seed).fill(new Uint8Array(sizeBytes));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function sha256At(store: ContractStore, key: string, range: Range = {}): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of store.read(key, range)) hash.update(chunk);
  return hash.digest("hex");
}

async function textAt(store: ContractStore, key: string, range: Range = {}): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of store.read(key, range)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : error;
}
