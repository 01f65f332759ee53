import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { verifyWorkload, workloadOptionsOf } from "../workload/oracle.ts";
import { integrityCheck } from "./digest.ts";
import { type ConnectionOptions, type CreationOptions, openWalDatabase } from "./open-database.ts";
import { type TempFolder, tempFolder } from "./temp-folder.ts";

/** The options of a connection are those of the fixture's own. */
export interface TempDbOptions extends ConnectionOptions, CreationOptions {
  /** Name of the file. Default `app.db`. */
  readonly name?: string;
  /** SQL to run once WAL mode is on. */
  readonly sql?: string;
}

/**
 * A WAL-mode database in a folder of its own, with one open connection that belongs to this object. Disposal closes
 * the connection, runs an integrity check on what the test left, and `verifyWorkload` if that holds a workload, and
 * removes the folder, so that every test hunts corruption.
 *
 * While the connection is open no other code of this process may open and close the file or its `-shm`: closing any
 * descriptor of them drops the connection's locks. `close` it first, or work through `spawnWriter` or
 * `spawnConnection`.
 */
export class TempDb implements AsyncDisposable {
  readonly path: string;
  readonly folder: TempFolder;
  readonly #options: TempDbOptions;
  #database: Database | undefined;

  constructor(folder: TempFolder, options: TempDbOptions) {
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
    if (workloadOptionsOf(this.path) !== undefined) verifyWorkload(this.path);
  }

  #open(): Database {
    const isNew = !existsSync(this.path);
    const database = openWalDatabase(this.path, this.#options);
    try {
      if (isNew && this.#options.sql !== undefined) database.run(this.#options.sql);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }
}

/** `await using db = await tempDb()`. */
export async function tempDb(options: TempDbOptions = {}): Promise<TempDb> {
  const folder = await tempFolder();
  try {
    return new TempDb(folder, options);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
