import { constants, Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { integrityCheck } from "./digest.ts";
import { requirePageSize } from "../wal/builder.ts";
import { type TempFolder, tempFolder } from "./temp-folder.ts";

export interface TempDatabaseOptions {
  /** A power of two from 512 to 65536. Default 4096. */
  readonly pageSize?: number;
  readonly autoVacuum?: "none" | "full" | "incremental";
  /** Milliseconds the fixture's own connection waits for a lock. Default 5000. */
  readonly busyTimeoutMs?: number;
  /** Pages of WAL after which a commit of the fixture's own connection checkpoints; 0 for never. Default 1000. */
  readonly autocheckpointPages?: number;
  /** Keep the `-wal` file when the last connection closes. Default false, as SQLite does. */
  readonly persistWal?: boolean;
  /** Name of the file. Default `app.db`. */
  readonly name?: string;
  /** SQL to run once WAL mode is on. */
  readonly sql?: string;
}

/**
 * A WAL-mode database in a folder of its own, with one open connection that belongs to this object. Disposal closes
 * the connection, runs an integrity check on what the test left, and removes the folder, so that every test hunts
 * corruption.
 *
 * While the connection is open no other code of this process may open and close the file or its `-shm`: closing any
 * descriptor of them drops the connection's locks. `close` it first, or write through `spawnWriter`.
 */
export class TempDatabase implements AsyncDisposable {
  readonly path: string;
  readonly folder: TempFolder;
  readonly #options: TempDatabaseOptions;
  #database: Database | undefined;

  constructor(folder: TempFolder, options: TempDatabaseOptions) {
    this.folder = folder;
    this.path = folder.join(options.name ?? "app.db");
    this.#options = options;
    this.#database = this.#open();
  }

  /** The fixture's own connection; opened again if it was closed. */
  get database(): Database {
    return (this.#database ??= this.#open());
  }

  /** Runs one or more statements. */
  exec(sql: string): void {
    this.database.run(sql);
  }

  /** Closes the connection, which checkpoints as SQLite does if it is the last one. The next use opens another. */
  close(): void {
    this.#database?.close(true);
    this.#database = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _ = this.folder;
    this.close();
    if (!existsSync(this.path)) return;
    const result = integrityCheck(this.path);
    if (result !== "ok") throw new Error(`${this.path} is corrupt at the end of the test: ${result}`);
  }

  #open(): Database {
    const { pageSize, autoVacuum, busyTimeoutMs = 5000, autocheckpointPages, persistWal = false, sql } = this.#options;
    const isNew = !existsSync(this.path);
    const database = new Database(this.path, { create: true, readwrite: true });
    try {
      database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      if (pageSize !== undefined) database.run(`PRAGMA page_size = ${pageSize}`);
      if (autoVacuum !== undefined) database.run(`PRAGMA auto_vacuum = ${autoVacuum}`);
      database.run("PRAGMA journal_mode = WAL");
      if (autocheckpointPages !== undefined) database.run(`PRAGMA wal_autocheckpoint = ${autocheckpointPages}`);
      database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, persistWal ? 1 : 0);
      if (isNew && sql !== undefined) database.run(sql);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }
}

/** `await using db = await tempDatabase()`. */
export async function tempDatabase(options: TempDatabaseOptions = {}): Promise<TempDatabase> {
  if (options.pageSize !== undefined) requirePageSize(options.pageSize);
  const folder = await tempFolder();
  try {
    return new TempDatabase(folder, options);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
