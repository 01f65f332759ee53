import { constants, Database, SQLiteError } from "bun:sqlite";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** One row of `sqlite_schema`, without its root page. */
export interface SchemaEntry {
  readonly type: string;
  readonly name: string;
  readonly tblName: string;
  /** Null for the indexes that SQLite makes by itself. */
  readonly sql: string | null;
}

/**
 * SHA-256, in hex, of everything a database holds, whatever pages it lies on: for each row of `SELECT type, name,
 * tbl_name, sql FROM sqlite_schema ORDER BY type, name` the line `S|type|name|tbl_name|sql\n` (sql empty when
 * NULL); then for each table not named `sqlite_%`, by name, for each row, sorted, the line
 * `R|table|quote(c1)|quote(c2)…\n`.
 *
 * Sorting is left to SQLite, which spills to its own temporary files: memory does not grow with the database, only
 * with its largest row, of which it merges a good many at a time. Opens the database read-only and closes it, so this
 * process must have no connection to it: closing drops that connection's locks.
 */
export function rowsDigest(path: string): string {
  using database = openForReading(path);
  return rowsDigestOf(database);
}

/** `rowsDigest` through a connection that is already open. */
export function rowsDigestOf(database: Database): string {
  const hash = createHash("sha256");
  for (const { type, name, tblName, sql } of schemaThrough(database)) {
    hash.update(`S|${type}|${name}|${tblName}|${sql ?? ""}\n`);
  }
  for (const table of tableNames(database)) {
    const columns = database
      .query<{ name: string }, [string]>("SELECT name FROM pragma_table_info(?) ORDER BY cid")
      .all(table)
      .map(({ name }) => `quote(${quoteName(name)})`);
    // Prepared, not `query`: a cached statement would outlive this function with its sorter.
    using lines = database.prepare<{ line: string }, []>(
      `SELECT ${columns.join(" || '|' || ")} AS line FROM ${quoteName(table)} ORDER BY line`,
    );
    for (const { line } of lines.iterate()) hash.update(`R|${table}|${line}\n`);
  }
  return hash.digest("hex");
}

/**
 * What `PRAGMA integrity_check` says: `ok`, or its findings, one a line. A database that SQLite cannot even read
 * gives the error's message. The caution of `rowsDigest` holds.
 */
export function integrityCheck(path: string): string {
  try {
    using database = openForReading(path);
    const rows = database.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
    return rows.map((row) => row.integrity_check).join("\n");
  } catch (error) {
    if (error instanceof SQLiteError) return error.message;
    throw error;
  }
}

/** The schema, ordered by type and name. The caution of `rowsDigest` holds. */
export function schemaOf(path: string): SchemaEntry[] {
  using database = openForReading(path);
  return schemaThrough(database);
}

/**
 * A read-only connection that leaves no files behind: in WAL mode SQLite would make a `-wal` and a `-shm`, and a
 * read-only connection cannot remove them. Without a `-wal` or a journal there is nothing that `immutable` could
 * miss, as long as nobody writes.
 */
export function openForReading(path: string): Database {
  if (!existsSync(path)) throw new Error(`${path}: no such database`);
  const { SQLITE_OPEN_READONLY, SQLITE_OPEN_URI } = constants;
  const query = existsSync(`${path}-wal`) || existsSync(`${path}-journal`) ? "" : "?immutable=1";
  const database = new Database(`${pathToFileURL(path).href}${query}`, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  database.run("PRAGMA busy_timeout = 5000");
  return database;
}

function schemaThrough(database: Database): SchemaEntry[] {
  return database
    .query<SchemaEntry, []>("SELECT type, name, tbl_name AS tblName, sql FROM sqlite_schema ORDER BY type, name")
    .all();
}

function tableNames(database: Database): string[] {
  return database
    .query<{ name: string }, []>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name",
    )
    .all()
    .map(({ name }) => name);
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
