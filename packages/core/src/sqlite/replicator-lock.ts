import { Database } from "bun:sqlite";
import { errorMessage, LitestreamError } from "../errors.ts";

/**
 * Held while a database is replicated, so that a second replicator is refused: an exclusive lock on a small SQLite
 * file. The kernel frees it with the process, however that ends; a pid in a file would prove nothing.
 */
export class ReplicatorLock {
  readonly #db: Database;

  /** @throws LitestreamError DATABASE_IN_USE when another process replicates the database. */
  constructor(lockPath: string, dbPath: string) {
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
      throw new LitestreamError("DATABASE_IN_USE", `${dbPath} is already replicated by another process`, {
        path: dbPath,
        hint: "Stop the other replicator first; one database has one replicator, with as many replicas as you like.",
        cause: error,
      });
    }
    this.#db = db;
  }

  release(): void {
    this.#db.close();
  }
}
