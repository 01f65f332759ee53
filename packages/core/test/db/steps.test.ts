import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { tempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

interface Setup extends AsyncDisposable {
  readonly path: string;
  readonly db: Db;
  /** An application's connection, in this process: SQLite keeps the locks of its own connections apart. */
  readonly application: Database;
}

async function setUp(minPageCount: number, maxPageCount = 0): Promise<Setup> {
  const folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const checkpoint = { minPageCount, maxPageCount, intervalMs: 0, retryMs: 0, forcedRetryMs: 0 };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 5 }, () => undefined);
  const application = new Database(path);
  db.open();
  return {
    path,
    db,
    application,
    async [Symbol.asyncDispose]() {
      application.close();
      db.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Calls `look` before each step of the protocol while `work` runs. */
function atEachStep(work: () => void, look: (step: string) => void): void {
  using _ = handleFaultPoints((point) => {
    if (point.kind === "step") look(point.step);
  });
  work();
}

/** Whether the WAL could be restarted now, if somebody tried. */
function canRestart(application: Database): boolean {
  return application.query<{ busy: number }, []>("PRAGMA wal_checkpoint(RESTART)").get()?.busy === 0;
}

function canWrite(application: Database): boolean {
  try {
    application.run("BEGIN IMMEDIATE");
    application.run("ROLLBACK");
    return true;
  } catch {
    return false;
  }
}

const never = 1e9;

describe("capture's steps", () => {
  test("hand the read lock over without a moment in which the WAL could be restarted", async () => {
    await using setup = await setUp(1);
    setup.db.sync();
    await commitElsewhere(setup.path);
    const steps: string[] = [];
    const restarts: boolean[] = [];
    atEachStep(
      () => setup.db.sync(),
      (step) => {
        steps.push(step);
        restarts.push(canRestart(setup.application));
      },
    );
    const handOver = ["look", "copy", "begin read", "look", "end read"];
    expect(steps.slice(0, handOver.length)).toEqual(handOver);
    expect(restarts.slice(0, handOver.length)).not.toContain(true);
  });

  test("keep writers out from the last copy until the read lock is held again, and no longer", async () => {
    await using setup = await setUp(1);
    const steps: string[] = [];
    atEachStep(
      () => setup.db.sync(),
      (step) => void steps.push(`${step}: ${canWrite(setup.application) ? "open" : "locked"}`),
    );
    expect(steps.slice(steps.indexOf("keep writers out: open"))).toEqual([
      "keep writers out: open",
      "look: locked",
      "end read: locked",
      "move rest: locked",
      "begin read: locked",
      "let writers in: locked",
    ]);
    expect(canWrite(setup.application)).toBe(true);
  });

  test("keep a writer that is faster than they are out until all is flushed, after one round", async () => {
    await using setup = await setUp(1);
    const { application } = setup;
    for (const setting of ["wal_autocheckpoint = 0", "synchronous = OFF"]) application.run(`PRAGMA ${setting}`);
    application.run("CREATE TABLE blobs (bytes BLOB)");
    const insert = application.query("INSERT INTO blobs VALUES (zeroblob(40960))");
    for (let checkpoint = 0; checkpoint < 3; checkpoint++) {
      let rows = 20;
      for (let i = 0; i < rows; i++) insert.run();
      const steps: string[] = [];
      atEachStep(
        () => setup.db.sync(),
        (step) => {
          steps.push(`${step}: ${canWrite(application) ? "open" : "locked"}`);
          if (step !== "flush") return;
          rows *= 2;
          for (let i = 0; i < rows; i++) insert.run();
        },
      );
      expect(steps.filter((step) => step === "flush: open")).toHaveLength(1);
      expect(steps.slice(-3)).toEqual(["begin read: locked", "flush shadow: locked", "let writers in: locked"]);
    }
  });

  test("hold a read lock again when one of them fails, and let writers in", async () => {
    const names = new Set<string>();
    {
      await using setup = await setUp(1);
      await commitElsewhere(setup.path);
      atEachStep(
        () => setup.db.sync(),
        (step) => void names.add(step),
      );
    }
    expect(names.size).toBeGreaterThan(7);
    for (const failing of names) {
      if (failing === "end read" || failing === "let writers in") continue;
      await using setup = await setUp(1);
      await commitElsewhere(setup.path);
      const fail = (): void => {
        atEachStep(
          () => setup.db.sync(),
          (step) => {
            if (step === failing) throw new Error("no space left");
          },
        );
      };
      expect(fail).toThrow("no space left");
      expect(canWrite(setup.application)).toBe(true);
      const { generation } = setup.db.captured()?.position ?? {};
      setup.db.sync();
      expect(setup.db.captured()?.position.generation).toBe(generation);
    }
  });

  test("leave the read lock where it is when a writer does not let them have the write lock", async () => {
    await using setup = await setUp(1, 1);
    setup.application.run("BEGIN IMMEDIATE");
    setup.db.sync();
    setup.application.run("ROLLBACK");
    expect(canRestart(setup.application)).toBe(false);
    expect(setup.db.captured()?.position.offset).toBeGreaterThan(0);
  });

  test("tell nobody anything while writers are kept out", async () => {
    await using setup = await setUp(never);
    let heard = 0;
    setup.db.onCaptured(() => {
      heard += 1;
      expect(canWrite(setup.application)).toBe(true);
    });
    await commitElsewhere(setup.path);
    setup.db.sync();
    expect(heard).toBe(1);
  });
});
