import { describe, expect, test } from "bun:test";
import { HeavyWork } from "../src/heavy-work.ts";
import { failureOf } from "./bytes.ts";

const limits = { countMax: 2, bufferBytesMax: 100 };

/** Works that end when they are told to, and the order in which they began. */
class Works {
  readonly begun: string[] = [];
  readonly ends = new Map<string, () => void>();
  readonly results: Promise<string>[] = [];
  readonly #heavy: HeavyWork;

  constructor(heavy: HeavyWork) {
    this.#heavy = heavy;
  }

  add(db: string, name: string, bufferBytes = 1): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ends.set(name, resolve);
    this.results.push(
      this.#heavy.run({ db, bufferBytes }, async () => {
        this.begun.push(name);
        await promise;
        return name;
      }),
    );
  }

  async end(name: string): Promise<void> {
    this.ends.get(name)?.();
    await Bun.sleep(0);
  }
}

describe("HeavyWork", () => {
  test("does at most so many works at the same time, and returns what they return", async () => {
    const heavy = new HeavyWork(limits);
    const works = new Works(heavy);
    for (const name of ["1", "2", "3", "4"]) works.add(name, name);
    await Bun.sleep(0);
    expect(works.begun).toEqual(["1", "2"]);
    expect(heavy.counts).toEqual({ running: 2, waiting: 2 });
    for (const name of ["2", "1", "3", "4"]) await works.end(name);
    expect(await Promise.all(works.results)).toEqual(["1", "2", "3", "4"]);
    expect(heavy.counts).toEqual({ running: 0, waiting: 0 });
  });

  test("takes turns between databases: one with much to do does not keep others waiting", async () => {
    const works = new Works(new HeavyWork({ ...limits, countMax: 1 }));
    for (const name of ["a1", "a2", "a3", "b1", "b2", "c1"]) works.add(name.slice(0, 1), name);
    for (const name of ["a1", "b1", "c1", "a2", "b2", "a3"]) {
      await Bun.sleep(0);
      expect(works.begun.at(-1)).toBe(name);
      await works.end(name);
    }
    await Promise.all(works.results);
  });

  test("bounds the buffers, and gives a work that wants more than there is all of it when it is alone", async () => {
    const works = new Works(new HeavyWork({ ...limits, countMax: 9 }));
    works.add("a", "a", 60);
    works.add("b", "large", 500);
    works.add("c", "small", 10);
    await Bun.sleep(0);
    expect(works.begun).toEqual(["a"]);
    await works.end("a");
    expect(works.begun).toEqual(["a", "large"]);
    await works.end("large");
    await works.end("small");
    await Promise.all(works.results);
  });

  test("gives the place of a work that fails to the next", async () => {
    const heavy = new HeavyWork({ ...limits, countMax: 1 });
    const fails = heavy.run({ db: "a", bufferBytes: 1 }, () => Promise.reject(new Error("disk")));
    const next = heavy.run({ db: "b", bufferBytes: 1 }, async () => "next");
    expect(await failureOf(() => fails)).toHaveProperty("message", "disk");
    expect(await next).toBe("next");
  });

  test("stops waiting when its signal is given, and takes no place then", async () => {
    const heavy = new HeavyWork({ ...limits, countMax: 1 });
    const works = new Works(heavy);
    works.add("a", "first");
    const stop = new AbortController();
    let hasBegun = false;
    const waiting = heavy.run({ db: "b", bufferBytes: 1, signal: stop.signal }, async () => {
      hasBegun = true;
    });
    stop.abort();
    expect(await failureOf(() => waiting)).toHaveProperty("code", "ABORTED");
    const refused = heavy.run({ db: "b", bufferBytes: 1, signal: stop.signal }, async () => undefined);
    expect(await failureOf(() => refused)).toHaveProperty("code", "ABORTED");
    works.add("c", "second");
    await works.end("first");
    expect(works.begun).toEqual(["first", "second"]);
    await works.end("second");
    expect(hasBegun).toBe(false);
    expect(heavy.counts).toEqual({ running: 0, waiting: 0 });
  });
});
