import { skipWhen } from "@litestream/testkit/skip";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LitestreamError, parseGeneration, walIndex } from "@litestream/core";
import { Trace } from "../src/trace.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trace-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const fail = (error: unknown): never => {
  throw error;
};

describe("Trace", () => {
  test("appends each event as a line of JSON, with time, position as text and the whole error", () => {
    const path = join(folder, "trace");
    writeFileSync(path, "before\n");
    {
      using trace = new Trace(path, [], fail);
      const position = { generation: parseGeneration("0123456789abcdef"), index: walIndex(2), offset: 4152 };
      trace.observe({ db: "/a", type: "sync", position, frames: 1, bytes: 4120, durationMs: 1 });
      const error = new LitestreamError("DATABASE_BUSY", "busy", { hint: "Wait.", cause: new TypeError("inner") });
      trace.observe({ db: "/a", type: "error", operation: "sync", error });
    }
    const [before, sync = "", error = "", end] = readFileSync(path, "utf8").split("\n");
    expect(before).toBe("before");
    expect(sync).toMatch(/^\{"time":"\d{4}-[^"]*Z",/);
    expect(JSON.parse(sync)).toMatchObject({
      db: "/a",
      type: "sync",
      position: "0123456789abcdef/00000002:00001038",
      frames: 1,
      bytes: 4120,
      durationMs: 1,
    });
    expect(JSON.parse(error)).toMatchObject({
      type: "error",
      error: { code: "DATABASE_BUSY", message: "busy", hint: "Wait.", cause: { name: "TypeError", message: "inner" } },
    });
    expect(end).toBe("");
  });

  test("refuses to write into a database or a file beside it, by whatever name", () => {
    const db = join(folder, "app.db");
    writeFileSync(db, "data");
    symlinkSync(db, join(folder, "link"));
    linkSync(db, join(folder, "hard"));
    for (const name of ["app.db", "app.db-wal", "app.db-shm", "app.db-journal", "link", "hard"]) {
      expect(() => new Trace(join(folder, name), [db], fail)).toThrow("the trace file is part of the database");
    }
    expect(() => new Trace(join(folder, "app.db-wal"), [join(folder, "link")], fail)).toThrow("part of the database");
    expect(readFileSync(db, "utf8")).toBe("data");
  });

  test("names a file that cannot be opened", () => {
    expect(() => new Trace(join(folder, "none", "trace"), [], fail)).toThrow(join(folder, "none", "trace"));
  });

  skipWhen(process.platform !== "linux", "only Linux has /dev/full")("ends at a full disk, and says so once", () => {
    const failures: unknown[] = [];
    using trace = new Trace("/dev/full", [], (error) => failures.push(error));
    trace.observe({ db: "/a", type: "stopped" });
    trace.observe({ db: "/a", type: "stopped" });
    expect(failures).toHaveLength(1);
  });
});
