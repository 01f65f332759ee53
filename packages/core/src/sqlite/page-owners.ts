import { constants, Database } from "bun:sqlite";
import { pathToFileURL } from "node:url";

/**
 * The tables and indexes that pages of a database file belong to, which nobody else has open. Pages of none, and all
 * where SQLite cannot walk through the file, are left out.
 */
export function pageOwners(path: string, pgnos: readonly number[]): Map<number, string> {
  const url = `${pathToFileURL(path).href}?immutable=1`;
  const owners = new Map<number, string>();
  try {
    const database = new Database(url, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
    try {
      const wanted = JSON.stringify(pgnos);
      const rows = database
        .query<{ name: string; pageno: number }, [string]>(
          "SELECT name, pageno FROM dbstat WHERE pageno IN (SELECT value FROM json_each(?))",
        )
        .all(wanted);
      for (const { name, pageno } of rows) owners.set(pageno, name);
    } finally {
      database.close();
    }
  } catch {
    // It is what a damaged database gives; the page numbers say enough.
  }
  return owners;
}
