import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { committedPrefix, integrityCheck, spawnConnection } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { follow, type FollowEvent, type FollowOptions } from "../../src/restore/follow.ts";
import { sqlElsewhere, transactionsElsewhere } from "../child.ts";
import { failureOf } from "../bytes.ts";
import { LiveSource } from "./live-source.ts";

/** A follower under way. */
class Following implements AsyncDisposable {
  readonly events: FollowEvent[] = [];
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;
  #waiting: (() => void)[] = [];
  #error: Error | undefined;
  #eventCount = 0;

  constructor(source: LiveSource, options: Partial<FollowOptions> = {}) {
    this.#ended = follow({
      replica: source.reader(),
      outputPath: source.copyPath,
      intervalMs: 5,
      signal: this.#abort.signal,
      ...options,
      onEvent: (event) => {
        if (event.type !== "restore") this.events.push(event);
        this.#wake();
      },
    }).catch((error: unknown) => {
      this.#error = error instanceof Error ? error : new Error(String(error));
      this.#wake();
    });
  }

  /** Waits until the copy shows so many transactions to others. */
  async shows(source: LiveSource, transactions: number): Promise<void> {
    await this.event(() => existsSync(source.copyPath));
    await this.event(async () => (await transactionsElsewhere(source.copyPath)) === transactions);
  }

  /** Looks again after each event. */
  async event(isIt: () => boolean | Promise<boolean>): Promise<void> {
    for (let seen = this.#eventCount; !(await isIt()); seen = this.#eventCount) await this.#nextAfter(seen);
  }

  types(): string[] {
    return this.events.map(({ type }) => type);
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
    if (this.#error !== undefined) throw this.#error;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async #nextAfter(seen: number): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    if (this.#eventCount === seen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    this.#eventCount++;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** The copy is closed: it has each row of the source, and SQLite finds nothing wrong with it. */
function expectSame(source: LiveSource): void {
  expect(integrityCheck(source.copyPath)).toBe("ok");
  expect(committedPrefix(source.copyPath)).toBe(source.transactions);
}

describe("follow", () => {
  test("shows what the replica holds, commit by commit, over several WALs", async () => {
    await using source = await LiveSource.start();
    {
      await using following = new Following(source);
      await following.shows(source, source.transactions);
      for (let i = 0; i < 8; i++) {
        await source.commit(1);
        await following.shows(source, source.transactions);
      }
      expect(await sqlElsewhere(source.copyPath, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
      expect(new Set(following.types())).toEqual(new Set(["restored", "applied"]));
    }
    expectSame(source);
  });

  test("goes on where it was, after it ended", async () => {
    await using source = await LiveSource.start();
    for (let run = 0; run < 3; run++) {
      await using following = new Following(source);
      await following.shows(source, source.transactions);
      await source.commit(3);
      await following.shows(source, source.transactions);
      expect(following.types()[0]).toBe(run === 0 ? "restored" : "resumed");
      expect(following.types()).not.toContain("replaced");
    }
    expectSame(source);
  });

  test("goes on also where a reader was the last to close the copy, and took its WAL away", async () => {
    await using source = await LiveSource.start();
    for (let run = 0; run < 2; run++) {
      await using following = new Following(source);
      await following.shows(source, source.transactions);
      await source.commit(2);
      await following.shows(source, source.transactions);
      expect(following.types()).not.toContain("replaced");
      await following.end();
      {
        await using reader = await spawnConnection({ path: source.copyPath });
        expect(await reader.all("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
      }
      expect(existsSync(`${source.copyPath}-wal`)).toBe(false);
    }
  });

  test("goes over to another generation at once, and keeps what does not differ", async () => {
    await using source = await LiveSource.start();
    await source.commit(5);
    {
      await using following = new Following(source);
      await following.shows(source, source.transactions);
      await sqlElsewhere(source.path, "DELETE FROM marker WHERE 0", "PRAGMA user_version = 7");
      await source.beginGeneration();
      await following.event(() => following.types().includes("replaced"));
      const replaced = following.events.find(({ type }) => type === "replaced");
      expect(replaced?.type === "replaced" && replaced.why).toContain("generation");
      expect(replaced?.type === "replaced" ? replaced.pages : 0).toBeLessThan(5);
      expect(await sqlElsewhere(source.copyPath, "PRAGMA user_version")).toEqual([{ user_version: 7 }]);
      await source.commit(3);
      await following.shows(source, source.transactions);
    }
    expectSame(source);
  });

  test("takes back what somebody else wrote, and says so", async () => {
    await using source = await LiveSource.start();
    {
      await using following = new Following(source);
      await source.commit(1);
      await following.shows(source, source.transactions);
      await sqlElsewhere(source.copyPath, "PRAGMA user_version = 99");
      await source.commit(1);
      await following.shows(source, source.transactions);
      const replaced = following.events.find(({ type }) => type === "replaced");
      expect(replaced?.type === "replaced" && replaced.why).toBe("somebody else wrote to the copy");
      expect(await sqlElsewhere(source.copyPath, "PRAGMA user_version")).toEqual([{ user_version: 0 }]);
    }
    expectSame(source);
  });

  test("waits while the replica cannot be read, and takes it up again by itself", async () => {
    await using source = await LiveSource.start();
    {
      await using following = new Following(source);
      await following.shows(source, source.transactions);
      const away = source.folder.join("away");
      renameSync(source.replicaPath, away);
      await following.event(() => following.types().includes("waiting"));
      expect(await transactionsElsewhere(source.copyPath)).toBe(source.transactions);
      renameSync(away, source.replicaPath);
      await source.commit(2);
      await following.shows(source, source.transactions);
    }
    expectSame(source);
  });

  test("touches no database that it did not make, and lets no second process follow into one", async () => {
    await using source = await LiveSource.start();
    const options = { replica: source.reader(), outputPath: source.path };
    const error = await failureOf(() => follow(options));
    expect(isLitestreamError(error, "OUTPUT_EXISTS")).toBe(true);
    await using following = new Following(source);
    await following.shows(source, source.transactions);
    const second = await failureOf(() => follow({ ...options, outputPath: source.copyPath }));
    expect(isLitestreamError(second, "DATABASE_IN_USE") && second.message).toContain("already followed");
  });

  test("keeps its WAL small while nobody reads, and leaves nothing of a restore behind", async () => {
    await using source = await LiveSource.start();
    {
      await using following = new Following(source);
      await following.shows(source, source.transactions);
      await sqlElsewhere(
        source.path,
        "CREATE TABLE big(b)",
        "INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1500)" +
          " SELECT randomblob(3500) FROM n",
      );
      await source.sync();
      await following.event(() => following.types().includes("applied"));
      expect(readFileSync(`${source.copyPath}-wal`).byteLength).toBe(0);
      await source.commit(2);
      await following.shows(source, source.transactions);
      expect(readdirSync(source.folder.join(".copy.db-follow"))).not.toContain("restored.db");
    }
    expectSame(source);
    rmSync(source.folder.join(".copy.db-follow"), { recursive: true });
  });
});
