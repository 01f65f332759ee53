import { constants, Database, type DatabaseOptions } from "bun:sqlite";
import { requirePageSize } from "../wal/builder.ts";

/** `PRAGMA auto_vacuum`, which a database keeps from its creation on. https://www.sqlite.org/pragma.html */
export type AutoVacuum = "none" | "full" | "incremental";

/** What a connection has of its own, whatever the database. */
export interface ConnectionOptions {
  /** Milliseconds to wait for a lock. Default 5000. */
  readonly busyTimeoutMs?: number;
  /** Pages of WAL after which a commit of this connection checkpoints; 0 for never. Default 1000, as SQLite. */
  readonly autocheckpointPages?: number;
  /** Keep the `-wal` file when the last connection closes. Default false, as SQLite does. */
  readonly persistWal?: boolean;
  /** `PRAGMA synchronous`. Default `full`, as SQLite. */
  readonly synchronous?: "off" | "normal" | "full" | "extra";
}

/** What is decided when a database is made, and left alone in one that exists. */
export interface CreationOptions {
  /** A power of two from 512 to 65536. Default 4096. */
  readonly pageSize?: number;
  /** Default `none`. */
  readonly autoVacuum?: AutoVacuum;
}

/** A connection that reads and writes, for which the file is made if it is absent. `bun` goes to `new Database`. */
export function openDatabase(path: string, options: ConnectionOptions = {}, bun: DatabaseOptions = {}): Database {
  const { busyTimeoutMs = 5000, autocheckpointPages = 1000, persistWal = false, synchronous = "full" } = options;
  const database = new Database(path, { ...bun, create: true, readwrite: true });
  try {
    database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    database.run(`PRAGMA wal_autocheckpoint = ${autocheckpointPages}`);
    database.run(`PRAGMA synchronous = ${synchronous}`);
    // Set either way: the SQLite at hand may have been built with another default.
    database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, persistWal ? 1 : 0);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The same, in WAL mode. */
export function openWalDatabase(path: string, options: ConnectionOptions & CreationOptions = {}): Database {
  const database = openDatabase(path, options);
  try {
    setCreationOptions(database, options);
    database.run("PRAGMA journal_mode = WAL");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Takes effect in a database without any page only; in others a later VACUUM would change the mode by surprise. */
export function setCreationOptions(database: Database, options: CreationOptions): void {
  const { pageSize = 4096, autoVacuum = "none" } = options;
  requirePageSize(pageSize);
  const pages = database.query<{ page_count: number }, []>("PRAGMA page_count").get()?.page_count;
  if (pages !== 0) return;
  database.run(`PRAGMA page_size = ${pageSize}`);
  database.run(`PRAGMA auto_vacuum = ${autoVacuum}`);
}
