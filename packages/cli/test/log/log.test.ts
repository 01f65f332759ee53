import { describe, expect, test } from "bun:test";
import { type LitestreamEvent, LitestreamError, parseGeneration, walIndex } from "@litestream/core";
import { Log } from "../../src/log/log.ts";

const db = "/data/app.db";
const generation = parseGeneration("0123456789abcdef");

type WithoutDb<T> = T extends unknown ? Omit<T, "db"> : never;
type EventBody = WithoutDb<LitestreamEvent>;

class Recorder {
  nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  readonly lines: string[] = [];
  readonly log: Log = new Log({ write: (line) => this.lines.push(line), now: () => this.nowMs });

  observe(event: EventBody): void {
    this.log.observe({ db, ...event });
  }

  /** The lines since the last call, without their times. */
  take(): string[] {
    return this.lines.splice(0).map((line) => line.slice(line.indexOf(" ") + 1));
  }
}

function replicaSync(replica: string, offset: number): EventBody {
  const position = { generation, index: walIndex(1), offset };
  return { type: "replica-sync", replica, position, bytes: 4120, asOfMs: 0, durationMs: 1 };
}

describe("Log", () => {
  test("begins each line with the time", () => {
    const { log, lines } = new Recorder();
    log.info("hello");
    expect(lines).toEqual(["2026-01-02T03:04:05.678Z hello"]);
  });

  test("writes the preface before the first line and not by itself", () => {
    const recorder = new Recorder();
    recorder.log.preface("one");
    recorder.log.preface("two");
    expect(recorder.take()).toEqual([]);
    recorder.log.info("three");
    recorder.log.info("four");
    expect(recorder.take()).toEqual(["one", "two", "three", "four"]);
  });

  test("makes no line that nobody reads of what comes with each transaction", () => {
    const recorder = new Recorder();
    recorder.observe(replicaSync("file", 0));
    recorder.take();
    const unread: LitestreamEvent = {
      db,
      type: "replica-sync",
      replica: "file",
      bytes: 4120,
      asOfMs: 0,
      durationMs: 1,
      get position(): never {
        throw new Error("it was described");
      },
    };
    recorder.log.observe(unread);
    expect(recorder.take()).toEqual([]);
    recorder.log.configure({ level: "debug", type: "text" });
    expect(() => recorder.log.observe(unread)).toThrow("it was described");
  });

  test("keeps a line one line, whatever a path holds", () => {
    const recorder = new Recorder();
    recorder.log.info("a\nb\u001b[31mc");
    expect(recorder.take()).toEqual(["a b [31mc"]);
  });

  test("says each event that matters in one line", () => {
    const recorder = new Recorder();
    recorder.observe({ type: "waiting", reason: "no database at /data/app.db" });
    recorder.observe({ type: "opened", pageSize: 4096, resumed: false });
    recorder.observe({ type: "generation", generation, reason: "no generation exists" });
    recorder.observe({
      type: "snapshot",
      replica: "file",
      generation,
      index: walIndex(0),
      bytes: 393_000_000,
      sizeBytes: 180_000_000,
      durationMs: 1234,
    });
    recorder.observe({ type: "warning", message: "an old SQLite", hint: "Update it." });
    expect(recorder.take()).toEqual([
      "/data/app.db: waiting for the database: no database at /data/app.db",
      "/data/app.db: opened, page size 4096, in a new generation",
      "/data/app.db: new generation 0123456789abcdef: no generation exists",
      "/data/app.db: snapshot 0123456789abcdef/00000000 in replica file: 393 MB stored as 180 MB in 1.2 s",
      "/data/app.db: warning: an old SQLite. Update it.",
    ]);
  });

  test("says nothing of what every transaction brings", () => {
    const recorder = new Recorder();
    const position = { generation, index: walIndex(0), offset: 4152 };
    recorder.observe({ type: "sync", position, frames: 1, bytes: 4120, durationMs: 1 });
    recorder.observe({ type: "wal-compressed", replica: "file", generation, index: walIndex(0), sizeBytes: 1 });
    recorder.observe({
      type: "checkpoint",
      mode: "PASSIVE",
      complete: true,
      walFrames: 1,
      backfilledFrames: 1,
      durationMs: 1,
      writeLockMs: 0,
    });
    recorder.observe({ type: "stopped" });
    expect(recorder.take()).toEqual([]);
  });

  test("says once in each generation that a replica is up to date", () => {
    const recorder = new Recorder();
    recorder.observe(replicaSync("file", 0x1038));
    recorder.observe(replicaSync("file", 0x2050));
    recorder.observe(replicaSync("other", 0x1038));
    expect(recorder.take()).toEqual([
      "/data/app.db: replica file is up to date at 0123456789abcdef/00000001:00001038",
      "/data/app.db: replica other is up to date at 0123456789abcdef/00000001:00001038",
    ]);
    recorder.observe({ type: "generation", generation, reason: "read lock lost" });
    recorder.take();
    recorder.observe(replicaSync("file", 0x3068));
    expect(recorder.take()).toHaveLength(1);
  });

  test("names the replica that failed, and says when it is up to date again", () => {
    const recorder = new Recorder();
    recorder.observe(replicaSync("file", 0x1038));
    recorder.observe({ type: "error", operation: "replica sync", replica: "file", error: new Error("no space left") });
    recorder.observe(replicaSync("file", 0x2050));
    expect(recorder.take().slice(1)).toEqual([
      "/data/app.db: error: replica sync (replica file): no space left",
      "/data/app.db: replica file is up to date at 0123456789abcdef/00000001:00002050",
    ]);
  });

  test("says a repeated error once in 30 s, and then how often it came", () => {
    const recorder = new Recorder();
    const error = new LitestreamError("REPLICA_UNAVAILABLE", "no space left on /backups", { hint: "Make room." });
    for (let poll = 0; poll < 31; poll++) {
      recorder.observe({ type: "error", operation: "sync", error });
      recorder.nowMs += 1000;
    }
    recorder.observe({ type: "error", operation: "checkpoint", error });
    expect(recorder.take()).toEqual([
      "/data/app.db: error: sync: no space left on /backups. Make room.",
      "/data/app.db: error: sync: no space left on /backups. Make room. (and 29 times before this)",
      "/data/app.db: error: checkpoint: no space left on /backups. Make room.",
    ]);
  });
});
