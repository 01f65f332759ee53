import { expect, test } from "bun:test";
import { type StoreFault, type StoreFaults, withFaults } from "../../src/index.ts";
import { failureOf } from "../failure.ts";
import { MemoryStore } from "./memory-store.ts";

const error = new Error("the network is down");

/** A store that holds `old`, and the faults that count from then on. */
async function faulty(...faults: StoreFault[]): Promise<StoreFaults<MemoryStore>> {
  const store = new MemoryStore();
  await store.put("old", chunks("abc", "defg"));
  return withFaults(store, faults);
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array, void> {
  for (const text of texts) yield Buffer.from(text);
}

async function text(content: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(content)).toString();
}

test("withFaults without faults is the store itself", async () => {
  const { store, ...rest } = await faulty();
  expect(rest).toEqual({});
  expect(await store.put("new", chunks("xyz"))).toEqual({ sizeBytes: 3 });
  expect(await text(store.read("new", { offset: 1 }))).toBe("yz");
  expect(await store.list("")).toEqual(["new", "old"]);
  await store.delete(["old"]);
  expect([store.location, store.size, store.has("old")]).toEqual(["memory", 1, false]);
});

test("a fault fails the Nth operation, and the store never hears of it", async () => {
  const faults = await faulty({ on: "put", nth: 2, effect: "fail", error });
  const { store } = faults;
  await store.put("a", chunks("1"));
  expect(await failureOf(store.put("b", chunks("2")))).toBe("Error: the network is down");
  await store.put("c", chunks("3"));
  expect(await store.list("")).toEqual(["a", "c", "old"]);
});

test("a fault counts only the operations whose key it means", async () => {
  const faults = await faulty(
    { on: "put", keys: /\.ltx$/g, nth: 2, effect: "fail", error },
    { on: "delete", keys: /^b$/, effect: "fail", error },
  );
  const { store } = faults;
  for (const key of ["a.ltx", "b", "c", "d"]) await store.put(key, chunks("1"));
  expect(await failureOf(store.put("e.ltx", chunks("1")))).toContain("down");
  await store.delete(["a.ltx"]);
  expect(await failureOf(store.delete(["c", "b"]))).toContain("down");
  expect(await store.list("")).toEqual(["b", "c", "d", "old"]);
});

test("a fault holds for as many operations as it says, or for good", async () => {
  const twice = await faulty({ on: "list", nth: 2, times: 2, effect: "fail", error });
  const forGood = await faulty({ on: "list", nth: 2, times: Infinity, effect: "fail", error });
  const outcomes = async ({ store }: StoreFaults<MemoryStore>): Promise<boolean[]> => {
    const failures: boolean[] = [];
    for (let n = 0; n < 5; n++) failures.push((await failureOf(store.list(""))) === String(error));
    return failures;
  };
  expect(await outcomes(twice)).toEqual([false, true, true, false, false]);
  expect(await outcomes(forGood)).toEqual([false, true, true, true, true]);
});

test("a fault after the operation loses only its answer", async () => {
  const { store } = await faulty(
    { on: "put", effect: "fail", when: "after", error },
    { on: "delete", effect: "fail", when: "after", error },
    { on: "read", effect: "fail", when: "after", error },
  );
  expect(await failureOf(store.put("new", chunks("1")))).toContain("down");
  expect(await failureOf(store.delete(["old"]))).toContain("down");
  expect(await store.list("")).toEqual(["new"]);
  const got: string[] = [];
  const reading = (async () => {
    for await (const chunk of store.read("new")) got.push(Buffer.from(chunk).toString());
  })();
  expect(await failureOf(reading)).toContain("down");
  expect(got).toEqual(["1"]);
});

test("a delayed operation begins when the test lets it", async () => {
  const gate = Promise.withResolvers<void>();
  const fault: StoreFault = { on: "put", effect: "delay", until: gate.promise };
  const faults = await faulty(fault, { on: "list", effect: "delay", until: 1 });
  const put = faults.store.put("new", chunks("1"));
  await faults.met(fault);
  expect(await faults.store.list("")).toEqual(["old"]);
  expect(faults.operations("put")).toEqual([{ kind: "put", keys: ["new"], outcome: "running", bytes: 0 }]);
  gate.resolve();
  expect(await put).toEqual({ sizeBytes: 1 });
  expect(await faults.store.list("")).toEqual(["new", "old"]);
});

test("an aborted signal ends a delay, and an operation that is to be overtaken", async () => {
  const never = new Promise<void>(() => {});
  const controller = new AbortController();
  const { signal } = controller;
  const faults = await faulty(
    { on: "put", effect: "delay", until: never, times: 2 },
    { on: "list", effect: "delay", until: 1e9 },
    { on: "read", effect: "delay", until: never },
    { on: "delete", effect: "reorder" },
  );
  const { store } = faults;
  const failures = [
    failureOf(faults.store.put("new", chunks("1"), signal)),
    failureOf(faults.store.list("", signal)),
    failureOf(text(faults.store.read("old", { signal }))),
    failureOf(faults.store.delete(["old"], signal)),
  ];
  controller.abort(new Error("enough"));
  expect(await Promise.all(failures)).toEqual(failures.map(() => "Error: enough"));
  expect(await failureOf(store.put("new", chunks("1"), signal))).toBe("Error: enough");
  expect(await store.list("")).toEqual(["old"]);
  const outcomes = faults.operations().map(({ outcome }) => outcome);
  expect(outcomes).toEqual(["failed", "failed", "failed", "failed", "failed", "done"]);
});

test("a cut read ends early, with no word or with an error", async () => {
  const { store } = await faulty(
    { on: "read", effect: "cut", afterBytes: 4 },
    { on: "read", nth: 2, effect: "cut", afterBytes: 0 },
    { on: "read", nth: 3, effect: "cut", afterBytes: 5, error },
  );
  expect(await text(store.read("old"))).toBe("abcd");
  expect(await text(store.read("old"))).toBe("");
  const got: string[] = [];
  const reading = (async () => {
    for await (const chunk of store.read("old", { offset: 1 })) got.push(Buffer.from(chunk).toString());
  })();
  expect(await failureOf(reading)).toContain("down");
  expect(got).toEqual(["bcd", "ef"]);
});

test("a read that is too short to be cut does not meet the fault", async () => {
  const fault: StoreFault = { on: "read", effect: "cut", afterBytes: 8, error };
  const faults = await faulty(fault);
  expect(await text(faults.store.read("old"))).toBe("abcdefg");
  expect(faults.pendingFaults()).toEqual([fault]);
});

test("a cut put takes the beginning of its content, stores nothing and fails", async () => {
  const faults = await faulty({ on: "put", effect: "cut", afterBytes: 4, error });
  let isEnded = false;
  const content = async function* (): AsyncGenerator<Uint8Array, void> {
    try {
      yield* chunks("abc", "def", "ghi");
    } finally {
      isEnded = true;
    }
  };
  expect(await failureOf(faults.store.put("new", content()))).toContain("down");
  expect(isEnded).toBe(true);
  expect(faults.operations()).toEqual([{ kind: "put", keys: ["new"], outcome: "failed", bytes: 6 }]);
  expect(faults.store.has("new")).toBe(false);
});

test("a torn put stores the beginning and reports all of it", async () => {
  const faults = await faulty(
    { on: "put", effect: "torn", afterBytes: 4 },
    { on: "put", nth: 2, effect: "torn", afterBytes: 4 },
  );
  expect(await faults.store.put("new", chunks("abc", "def", "ghi"))).toEqual({ sizeBytes: 9 });
  expect(await text(faults.store.read("new"))).toBe("abcd");
  expect(await faults.store.put("short", chunks("abcd"))).toEqual({ sizeBytes: 4 });
  expect(faults.pendingFaults()).toEqual([{ on: "put", nth: 2, effect: "torn", afterBytes: 4 }]);
});

test("a reordered operation waits until the next of its kind is over", async () => {
  const faults = await faulty({ on: "put", effect: "reorder" }, { on: "put", nth: 2, effect: "fail", error });
  const order: string[] = [];
  const put = async (key: string): Promise<void> => {
    await faults.store.put(key, chunks(key)).catch(() => {});
    order.push(key);
  };
  await Promise.all([put("first"), put("second")]);
  expect(order).toEqual(["second", "first"]);
  expect(faults.store.has("first")).toBe(true);
  expect(faults.pendingFaults()).toEqual([]);
});

test("a reordered read waits until the next one is read to its end", async () => {
  const faults = await faulty({ on: "read", effect: "reorder" });
  await faults.store.put("new", chunks("new"));
  const order: string[] = [];
  const [first, second] = [faults.store.read("old"), faults.store.read("new")];
  await Promise.all([
    text(first).then((content) => order.push(content)),
    text(second).then((content) => order.push(content)),
  ]);
  expect(order).toEqual(["new", "abcdefg"]);
});

test("several faults in one operation all take effect", async () => {
  const gate = Promise.withResolvers<void>();
  const faults = await faulty(
    { on: "read", effect: "delay", until: gate.promise },
    { on: "read", effect: "cut", afterBytes: 2 },
    { on: "read", effect: "fail", when: "after", error },
  );
  const reading = failureOf(text(faults.store.read("old")));
  gate.resolve();
  expect(await reading).toContain("down");
  expect(faults.operations()).toEqual([{ kind: "read", keys: ["old"], outcome: "failed", bytes: 2 }]);
  expect(faults.pendingFaults()).toEqual([]);
});

test("StoreFaults.operations counts by kind and key, given-up reads included", async () => {
  const faults = await faulty();
  const { store } = faults;
  for (const key of ["a/1", "a/2", "b/1"]) await store.put(key, chunks(key));
  for await (const _ of store.read("old")) break;
  await store.delete(["a/1", "b/1"]);
  expect(faults.operations("put", /^a/)).toHaveLength(2);
  expect(faults.operations(undefined, /^b/)).toHaveLength(2);
  expect(faults.operations().map(({ kind, outcome, bytes }) => [kind, outcome, bytes])).toEqual([
    ["put", "done", 3],
    ["put", "done", 3],
    ["put", "done", 3],
    ["read", "done", 3],
    ["delete", "done", 0],
  ]);
});

test("StoreFaults.add counts from when the fault was added", async () => {
  const faults = await faulty();
  await faults.store.list("");
  const fault: StoreFault = { on: "list", effect: "fail", error };
  faults.add(fault);
  expect(faults.pendingFaults()).toEqual([fault]);
  expect(await failureOf(faults.store.list(""))).toContain("down");
  expect(faults.pendingFaults()).toEqual([]);
  expect(await failureOf(faults.met({ ...fault }))).toContain("never added");
});

test("withFaults refuses counts that cannot be", () => {
  const refused = (fault: StoreFault) => (): unknown => withFaults(new MemoryStore(), [fault]);
  expect(refused({ on: "list", nth: 0, effect: "fail", error })).toThrow("nth is a whole number from 1, not 0");
  expect(refused({ on: "list", times: 0.5, effect: "fail", error })).toThrow("times is a whole number from 1");
  expect(refused({ on: "read", effect: "cut", afterBytes: -1 })).toThrow("afterBytes is a whole number from 0");
});
