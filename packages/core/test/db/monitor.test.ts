import { afterEach, describe, expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { Monitor } from "../../src/db/monitor.ts";

/** Polls are far apart here: what is seen is seen by events. */
const pollMs = 60_000;

class Seen {
  changes = 0;
  polls = 0;
  /** What the next looks find: something new, so many times. */
  news = 0;
  #wake = Promise.withResolvers<void>();

  onChange(): void {
    this.changes++;
    this.#wake.resolve();
  }

  onPoll(): boolean {
    this.polls++;
    const isNew = this.news > 0;
    if (isNew) this.news--;
    this.#wake.resolve();
    return isNew;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
    }
  }
}

describe("Monitor", () => {
  const monitors: Monitor[] = [];
  afterEach(() => {
    for (const monitor of monitors.splice(0)) monitor.stop();
  });

  async function watched(seen: Seen): Promise<{ write: () => void } & AsyncDisposable> {
    const folder = await tempFolder();
    const path = folder.join("app.db");
    writeFileSync(path, "");
    const monitor = new Monitor(path, pollMs, seen);
    monitors.push(monitor);
    monitor.start();
    return {
      write: () => appendFileSync(`${path}-wal`, "frame"),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  }

  test("tells of what is written to the WAL", async () => {
    const seen = new Seen();
    await using database = await watched(seen);
    database.write();
    await seen.until(() => seen.changes > 0);
  });

  test("looks instead of listening while one change follows another", async () => {
    const seen = new Seen();
    seen.news = 5;
    await using database = await watched(seen);
    database.write();
    await seen.until(() => seen.news === 1);
    const { changes } = seen;
    for (let write = 0; write < 20; write++) database.write();
    await seen.until(() => seen.news === 0);
    expect(seen.changes).toBe(changes);
  });

  test("listens again once nothing is new, and looks at what came in between", async () => {
    const seen = new Seen();
    seen.news = 2;
    await using database = await watched(seen);
    database.write();
    await seen.until(() => seen.news === 0);
    const { polls } = seen;
    // Three looks that find nothing, and the one after the watch was begun.
    await seen.until(() => seen.polls >= polls + 4);
    const { changes } = seen;
    database.write();
    await seen.until(() => seen.changes > changes);
  });
});
