import { Database, SQLiteError } from "bun:sqlite";
import type { NeighbourOperation } from "./history.ts";

/**
 * Another connection to the database, in this process: SQLite keeps the locks of its own connections apart, so it is as
 * good as another process, and needs no waiting. It never waits for a lock; what it cannot do it leaves.
 */
export class Neighbour implements Disposable {
  readonly #path: string;
  #db: Database;
  #rows = 0;

  constructor(path: string) {
    this.#path = path;
    this.#db = connect(path);
  }

  do(operation: NeighbourOperation): void {
    try {
      this.#do(operation);
    } catch (error) {
      if (!(error instanceof SQLiteError) || !/^SQLITE_(?:BUSY|LOCKED)/.test(error.code ?? "")) throw error;
    }
  }

  /** The database as this connection sees it now, page by page, without a transaction of its own being left. */
  serialize(): Uint8Array {
    return this.#db.serialize();
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #do(operation: NeighbourOperation): void {
    const { inTransaction } = this.#db;
    switch (operation.do) {
      case "write":
        this.#insert(operation.rows);
        return;
      case "begin write":
        if (inTransaction) return;
        this.#db.run("BEGIN IMMEDIATE");
        this.#insert(operation.rows);
        return;
      case "commit":
        if (inTransaction) this.#db.run("COMMIT");
        return;
      case "roll back":
        if (inTransaction) this.#db.run("ROLLBACK");
        return;
      case "begin read":
        if (inTransaction) return;
        this.#db.run("BEGIN");
        this.#db.query("SELECT count(*) FROM t").get();
        return;
      case "end read":
        if (inTransaction) this.#db.run("ROLLBACK");
        return;
      case "delete":
        this.#db.run("DELETE FROM t WHERE id % 3 = 0");
        return;
      case "vacuum":
        if (inTransaction) return;
        this.#db.run("VACUUM");
        return;
      case "reopen":
        this.#db.close();
        this.#db = connect(this.#path);
        return;
      case "checkpoint":
        if (!inTransaction) this.#db.run(`PRAGMA wal_checkpoint(${operation.mode})`);
        return;
    }
  }

  #insert(rows: number): void {
    for (let row = 0; row < rows; row++) {
      this.#rows += 1;
      this.#db.run("INSERT INTO t (data) VALUES (zeroblob(?))", [(this.#rows * 97) % 700]);
    }
  }
}

function connect(path: string): Database {
  const db = new Database(path, { readwrite: true, create: false });
  db.run("PRAGMA busy_timeout = 0");
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run("PRAGMA cache_size = 10");
  return db;
}
