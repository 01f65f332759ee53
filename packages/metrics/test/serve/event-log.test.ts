import { describe, expect, test } from "bun:test";
import { LitestreamError } from "@litestream/core";
import { EventLog } from "../../src/serve/event-log.ts";
import { dbPath, position } from "../fake-database.ts";

describe("EventLog", () => {
  test("says in words what happened, the newest first, and leaves out each sync", () => {
    const log = new EventLog();
    const { generation } = position;
    log.observe({ db: dbPath, type: "generation", generation, reason: "read lock lost" }, 1);
    log.observe({ db: dbPath, type: "sync", position, frames: 1, bytes: 1, durationMs: 1 }, 2);
    const error = new LitestreamError("REPLICA_UNAVAILABLE", "cannot write", { hint: "Mount the disk." });
    log.observe({ db: dbPath, type: "error", operation: "replica sync", replica: "file", error }, 3);
    expect(log.of(dbPath)).toEqual([
      { atMs: 3, kind: "bad", text: "replica sync (replica file): cannot write. Mount the disk.", count: 1 },
      { atMs: 1, kind: "news", text: "new generation 0123456789abcdef: read lock lost", count: 1 },
    ]);
    expect(log.of("/data/other.db")).toEqual([]);
  });

  test("counts what comes again, and keeps no more than a few", () => {
    const log = new EventLog();
    const error = new Error("no");
    for (let n = 1; n <= 1000; n++) log.observe({ db: dbPath, type: "error", operation: "sync", error }, n);
    expect(log.of(dbPath)).toEqual([{ atMs: 1000, kind: "bad", text: "sync: no", count: 1000 }]);
    for (let n = 0; n < 1000; n++) log.observe({ db: dbPath, type: "warning", message: `${n} ${"x".repeat(5000)}` }, n);
    expect(log.of(dbPath)).toHaveLength(40);
    expect(JSON.stringify(log.of(dbPath)).length).toBeLessThan(40 * 600);
  });

  test("forgets databases that are no longer there", () => {
    const log = new EventLog();
    log.observe({ db: dbPath, type: "stopped" }, 1);
    log.keepOnly(new Set(["/data/other.db"]));
    expect(log.of(dbPath)).toEqual([]);
  });
});
