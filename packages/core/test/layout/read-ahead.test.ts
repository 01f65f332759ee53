import { expect, test } from "bun:test";
import { ReadAhead } from "../../src/layout/read-ahead.ts";
import type { StoreEntry } from "../../src/store/store.ts";
import { failureOf } from "../bytes.ts";

/** Objects whose fetching ends when the test says so. */
class Fetching {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<Uint8Array>>();
  signal: AbortSignal | undefined;

  readonly fetch = ({ key }: StoreEntry, signal: AbortSignal): Promise<Uint8Array> => {
    this.signal = signal;
    this.begun.push(key);
    const end = Promise.withResolvers<Uint8Array>();
    this.#ends.set(key, end);
    return end.promise;
  };

  end(key: string): void {
    this.#ends.get(key)?.resolve(Buffer.from(key));
  }

  fail(key: string, error: Error): void {
    this.#ends.get(key)?.reject(error);
  }
}

function entries(keys: string, sizeBytes: number = 10): StoreEntry[] {
  return keys.split("").map((key) => ({ key, sizeBytes, modifiedAt: new Date(0) }));
}

test("fetches so many objects before their turn, and the next one when one was taken", async () => {
  const fetching = new Fetching();
  using ahead = new ReadAhead(entries("abcde"), 3, fetching.fetch);
  expect(fetching.begun.join("")).toBe("abc");
  fetching.end("b");
  fetching.end("a");
  expect(String(await ahead.take("a"))).toBe("a");
  expect(fetching.begun.join("")).toBe("abcd");
  expect(String(await ahead.take("b"))).toBe("b");
  expect(fetching.begun.join("")).toBe("abcde");
});

test("holds no more than 4 MiB, and leaves what is larger than 1 MiB to its turn", async () => {
  const fetching = new Fetching();
  const mebibyte = 1024 * 1024;
  using ahead = new ReadAhead([...entries("L", mebibyte + 1), ...entries("abcdef", mebibyte)], 100, fetching.fetch);
  expect(fetching.begun.join("")).toBe("abcd");
  expect(await ahead.take("L")).toBeUndefined();
  fetching.end("a");
  await ahead.take("a");
  expect(fetching.begun.join("")).toBe("abcde");
});

test("does not fetch what was read before, nor what nobody announced", async () => {
  const fetching = new Fetching();
  using ahead = new ReadAhead(entries("abc"), 1, fetching.fetch);
  expect(await ahead.take("b")).toBeUndefined();
  expect(await ahead.take("z")).toBeUndefined();
  fetching.end("a");
  await ahead.take("a");
  expect(fetching.begun.join("")).toBe("ac");
  expect(await ahead.take("a")).toBeUndefined();
});

test("gives an error to whose turn it was, once: a second try reads by itself", async () => {
  const fetching = new Fetching();
  using ahead = new ReadAhead(entries("ab"), 1, fetching.fetch);
  const error = new Error("cut");
  fetching.fail("a", error);
  expect(await failureOf(() => ahead.take("a"))).toBe(error);
  expect(await ahead.take("a")).toBeUndefined();
  expect(fetching.begun.join("")).toBe("ab");
});

test("ends what is under way with its use", () => {
  const fetching = new Fetching();
  {
    using _ahead = new ReadAhead(entries("ab"), 1, fetching.fetch);
    expect(fetching.signal?.aborted).toBe(false);
  }
  expect(fetching.signal?.aborted).toBe(true);
  expect(fetching.begun.join("")).toBe("a");
});
