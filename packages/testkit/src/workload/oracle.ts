import { constants, Database } from "bun:sqlite";
import { integrityCheck, openForReading, rowsDigest, rowsDigestOf } from "../database/digest.ts";
import { verifyMarkers } from "./marker.ts";
import type { WorkloadOptions } from "./options.ts";
import { profileNamed } from "./profiles/profiles.ts";
import { readWorkloadOptions, Workload } from "./workload.ts";

/**
 * The number m of the transaction whose state a workload's database is in, exactly: the markers are 1 to m without
 * a gap and chained, and the rows add up to the sum that transaction m recorded. 0 for a database without any
 * tables. One pass over the rows, no replay. Opens and closes the database: this process must have no connection to
 * it.
 *
 * @throws Error saying what contradicts what, if it is in no such state.
 */
export function committedPrefix(path: string): number {
  using database = openForReading(path);
  try {
    // One state of it, also while others write.
    database.run("BEGIN");
    const options = readWorkloadOptions(database);
    if (options !== undefined) return verifyMarkers(database, profileNamed(options.profile).tables).n;
    const tables = database.query<{ count: number }, []>("SELECT count(*) AS count FROM sqlite_schema").get();
    if (tables?.count === 0) return 0;
    throw new Error("there are tables, but none of a workload's");
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/**
 * `committedPrefix`, for a database that must be in the state after one of the transactions `atLeast` to `atMost`.
 * `atLeast: 1` refuses a database without any tables too, which is the state before everything.
 *
 * @throws Error saying which transaction it is instead, or what contradicts what.
 */
export function requirePrefix(path: string, range: { readonly atLeast: number; readonly atMost?: number }): number {
  const { atLeast, atMost = Infinity } = range;
  const n = committedPrefix(path);
  if (n >= atLeast && n <= atMost) return n;
  const wanted = n < atLeast ? `at least ${atLeast}` : `at most ${atMost}`;
  throw new Error(`${path}: the state is that after transaction ${n}, and ${wanted} was expected`);
}

/**
 * The `rowsDigest` of a workload's database after transaction `transactions`, by running the workload anew, in a
 * database of SQLite's own that is in memory while it is small and in the temporary folder when it is not.
 */
export function expectedState(seed: number, transactions: number, options: Omit<WorkloadOptions, "seed"> = {}): string {
  const { SQLITE_OPEN_READWRITE, SQLITE_OPEN_CREATE, SQLITE_OPEN_URI } = constants;
  // An empty name is such a database, https://www.sqlite.org/inmemorydb.html; Bun takes "" for `:memory:`.
  using database = new Database("file:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI);
  using workload = new Workload(database, { ...options, seed });
  workload.commit(transactions);
  return rowsDigestOf(database);
}

/**
 * The strongest check there is: `integrity_check` is ok, `committedPrefix` holds, and a replay from the recorded
 * seed up to that transaction gives the same rows. Returns the transaction's number.
 *
 * @throws Error if any of this fails.
 */
export function verifyWorkload(path: string): number {
  const integrity = integrityCheck(path);
  if (integrity !== "ok") throw new Error(`${path}: integrity_check says: ${integrity}`);
  const transactions = committedPrefix(path);
  const options = workloadOptionsOf(path);
  if (options !== undefined && rowsDigest(path) !== expectedState(options.seed, transactions, options)) {
    throw new Error(`${path}: a replay up to transaction ${transactions} gives other rows`);
  }
  return transactions;
}

/** The options of the workload that the database at `path` holds, or undefined. The caution of `rowsDigest` holds. */
export function workloadOptionsOf(path: string): Required<WorkloadOptions> | undefined {
  using database = openForReading(path);
  return readWorkloadOptions(database);
}
