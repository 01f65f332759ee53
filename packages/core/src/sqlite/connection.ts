import { constants, Database, type Statement } from "bun:sqlite";
import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import { sleepSync } from "../sleep.ts";

/** Pause between two tries for the write lock. */
const lockRetryMs = 0.2;

/** Every open connection of this process: Bun, at exit, would close them in a way that truncates the WAL. */
const openConnections = new Set<Connection>();
let closesAtExit = false;

/** What `PRAGMA wal_checkpoint` answered. */
export interface CheckpointResult {
  /** Everything in the WAL is in the database file. */
  readonly complete: boolean;
  /** Nothing was tried, because another connection is making a checkpoint. */
  readonly isBusy: boolean;
  readonly walFrames: number;
  readonly backfilledFrames: number;
}

/**
 * One of our connections to the user's database. None of them ever checkpoints by itself, and none removes or truncates
 * the WAL when it closes.
 *
 * Whoever is the last to close moves the WAL into the database file; into whatever file that is by then: where a backup
 * was copied over it, and its WAL removed, the dead WAL would overwrite the backup. A connection that can only read has
 * no way to do that, nor to take the lock that it needs. So one that can write is opened when it is needed, and closed
 * while another of ours is open.
 */
export class Connection {
  readonly #path: string;
  readonly #db: Database;
  readonly #read: Statement<unknown, []>;
  #inTransaction = false;

  /** @throws LitestreamError DATABASE_BUSY, DATABASE_INVALID or DATABASE_UNAVAILABLE */
  constructor(path: string, busyTimeoutMs: number, access: "read" | "write") {
    this.#path = path;
    let db: Database | undefined;
    try {
      db = new Database(path, access === "read" ? { readonly: true } : { readwrite: true, create: false });
      db.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
      db.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      db.run("PRAGMA wal_autocheckpoint = 0");
      // Reads the header of page 1, which takes a read lock, without parsing the schema.
      this.#read = db.prepare<unknown, []>("PRAGMA user_version");
    } catch (error) {
      db?.close();
      throw asDatabaseError(error, path, "open");
    }
    this.#db = db;
    openConnections.add(this);
    if (!closesAtExit) {
      closesAtExit = true;
      process.on("exit", () => {
        for (const connection of openConnections) connection.close();
      });
    }
  }

  /** Of the library that this process uses, as in "3.54.1". */
  sqliteVersion(): string {
    return String(this.#get("SELECT sqlite_version() AS version", "query")["version"]);
  }

  /**
   * Turns WAL mode on, where it is not yet.
   * @throws LitestreamError DATABASE_BUSY while another connection is in its way
   */
  enableWal(): void {
    const mode = this.#get("PRAGMA journal_mode = wal", "turn on WAL mode of")["journal_mode"];
    if (mode === "wal") return;
    throw new LitestreamError(
      "DATABASE_UNAVAILABLE",
      `cannot turn on WAL mode of ${this.#path}: it stays "${String(mode)}"`,
      {
        path: this.#path,
        hint: "WAL mode needs a local file system with shared memory.",
      },
    );
  }

  /** Begins a read transaction and takes its read lock. */
  beginRead(): void {
    this.#run("BEGIN", "begin to read");
    this.#inTransaction = true;
    try {
      this.#read.get();
    } catch (error) {
      this.rollback();
      throw asDatabaseError(error, this.#path, "read");
    }
  }

  /**
   * Takes the write lock, without writing. Tries again and again by itself: SQLite's busy handler waits longer after
   * each try, and against a writer that never rests it did not get the lock within a second.
   * @returns false when it could not be had within `waitMs`
   */
  tryBeginImmediate(waitMs: number): boolean {
    const deadlineMs = performance.now() + waitMs;
    for (;;) {
      try {
        this.#run("BEGIN IMMEDIATE", "lock");
        this.#inTransaction = true;
        return true;
      } catch (error) {
        if (!isLitestreamError(error, "DATABASE_BUSY")) throw error;
        if (performance.now() >= deadlineMs) return false;
        sleepSync(lockRetryMs);
      }
    }
  }

  rollback(): void {
    if (!this.#inTransaction) return;
    this.#run("ROLLBACK", "end a transaction on");
    this.#inTransaction = false;
  }

  /** Moves what readers allow from the WAL into the database file; waits for nobody. */
  checkpointPassive(): CheckpointResult {
    return this.#checkpoint("PASSIVE");
  }

  /** As `checkpointPassive`, and empties the WAL if that moved everything and nobody reads from it. */
  checkpointTruncate(): CheckpointResult {
    return this.#checkpoint("TRUNCATE");
  }

  #checkpoint(mode: "PASSIVE" | "TRUNCATE"): CheckpointResult {
    const row = this.#get(`PRAGMA wal_checkpoint(${mode})`, "checkpoint");
    const [busy, log, checkpointed] = [Number(row["busy"]), Number(row["log"]), Number(row["checkpointed"])];
    return {
      complete: busy === 0 && log >= 0 && log === checkpointed,
      isBusy: busy !== 0,
      walFrames: Math.max(0, log),
      backfilledFrames: Math.max(0, checkpointed),
    };
  }

  close(): void {
    if (!openConnections.delete(this)) return;
    this.#inTransaction = false;
    this.#read.finalize();
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #run(sql: string, operation: string): void {
    try {
      this.#db.run(sql);
    } catch (error) {
      throw asDatabaseError(error, this.#path, operation);
    }
  }

  #get(sql: string, operation: string): Record<string, unknown> {
    try {
      using statement = this.#db.prepare<Record<string, unknown>, []>(sql);
      return statement.get() ?? {};
    } catch (error) {
      throw asDatabaseError(error, this.#path, operation);
    }
  }
}

function asDatabaseError(error: unknown, path: string, operation: string): LitestreamError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = `cannot ${operation} ${path}: ${errorMessage(error)}`;
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return new LitestreamError("DATABASE_BUSY", message, {
      path,
      hint: "Another connection holds it, perhaps in locking_mode=EXCLUSIVE; it is tried again.",
      cause: error,
    });
  }
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) {
    return new LitestreamError("DATABASE_INVALID", message, {
      path,
      hint: "Check the path; the database may be encrypted or damaged.",
      cause: error,
    });
  }
  return new LitestreamError("DATABASE_UNAVAILABLE", message, {
    path,
    hint: "The database, its -wal and -shm files and its folder must be writable.",
    cause: error,
  });
}
