import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** The folder that a replicator keeps beside the database at `dbPath`. */
export function metaPathOf(dbPath: string): string {
  return join(dirname(dbPath), `.${basename(dbPath)}-litestream`);
}

/** The disk died: the database goes, with all that lay beside it. */
export async function loseDatabase(dbPath: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await rm(`${dbPath}${suffix}`, { force: true });
  await rm(metaPathOf(dbPath), { recursive: true, force: true });
}
