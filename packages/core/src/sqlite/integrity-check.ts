import { constants, Database } from "bun:sqlite";
import { pathToFileURL } from "node:url";
import { errorMessage } from "../errors.ts";

/** What SQLite says of a database file. */
export type IntegrityResult =
  | { readonly outcome: "ok" }
  | { readonly outcome: "damaged"; readonly problem: string }
  /** It could not be checked, as where it needs a module or a collation that only its application has. */
  | { readonly outcome: "unknown"; readonly why: string };

/**
 * Checks a database file that nobody else has open: `quick` its structure, `full` also that indexes agree with their
 * tables. Opened as immutable: no lock is taken, and no `-wal` or `-shm` appears beside it.
 */
export function checkIntegrity(path: string, depth: "quick" | "full"): IntegrityResult {
  const url = `${pathToFileURL(path).href}?immutable=1`;
  const pragma = depth === "quick" ? "quick_check" : "integrity_check";
  try {
    const database = new Database(url, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
    try {
      const rows = database.query<Record<string, unknown>, []>(`PRAGMA ${pragma}(10)`).all();
      const problems = rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== "ok");
      return problems.length === 0 ? { outcome: "ok" } : { outcome: "damaged", problem: problems.join("; ") };
    } finally {
      database.close();
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const isDamage = code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB";
    if (isDamage) return { outcome: "damaged", problem: errorMessage(error) };
    return { outcome: "unknown", why: errorMessage(error) };
  }
}
