import { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { errorMessage, LitestreamError } from "../errors.ts";

/**
 * Held while a database is replicated, or a copy follows a replica, so that a second process is refused: an exclusive
 * lock on a small SQLite file. The kernel frees it with the process, however that ends; a pid in a file would prove
 * nothing.
 */
export class ReplicatorLock {
  readonly #path: string;
  readonly #db: Database;
  readonly #identity: { readonly dev: bigint; readonly ino: bigint };

  /** @throws LitestreamError DATABASE_IN_USE when another process holds it. */
  constructor(lockPath: string, dbPath: string, use: "replicated" | "followed" = "replicated") {
    let db: Database | undefined;
    try {
      db = new Database(lockPath, { readwrite: true, create: true });
      // Nothing is ever written to it. SQLite sets memory for twenty pages aside: 76 KB less for each database.
      db.run("PRAGMA page_size = 512");
      db.run("BEGIN EXCLUSIVE");
    } catch (error) {
      db?.close();
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!code.startsWith("SQLITE_BUSY")) {
        throw new LitestreamError("DATABASE_UNAVAILABLE", `cannot lock ${lockPath}: ${errorMessage(error)}`, {
          path: lockPath,
          hint: "The folder of the database must be writable, and on a local file system.",
          cause: error,
        });
      }
      throw new LitestreamError("DATABASE_IN_USE", `${dbPath} is already ${use} by another process`, {
        path: dbPath,
        hint:
          use === "replicated"
            ? "Stop the other replicator first; one database has one replicator, with as many replicas as you like."
            : "Stop the other process first, or follow into another copy.",
        cause: error,
      });
    }
    this.#path = lockPath;
    this.#db = db;
    this.#identity = statSync(lockPath, { bigint: true });
  }

  /** False once the file was removed, or another stands in its place: then it keeps nobody out. */
  isInPlace(): boolean {
    const there = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return there !== undefined && there.ino === this.#identity.ino && there.dev === this.#identity.dev;
  }

  release(): void {
    this.#db.close();
  }
}
