import { Database } from "bun:sqlite";
import { integrityCheck, openForReading, rowsDigest, rowsDigestOf } from "../database/digest.ts";
import { readWorkloadOptions, verifyMarkers, Workload, type WorkloadOptions } from "./workload.ts";

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
    if (readWorkloadOptions(database) !== undefined) return verifyMarkers(database).n;
    const tables = database.query<{ count: number }, []>("SELECT count(*) AS count FROM sqlite_schema").get();
    if (tables?.count === 0) return 0;
    throw new Error("there are tables, but none of a workload's");
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/**
 * The `rowsDigest` of a workload's database after transaction `transactions`, by running the workload anew in
 * memory: for workloads that fit there.
 */
export function expectedState(seed: number, transactions: number, options: Omit<WorkloadOptions, "seed"> = {}): string {
  using database = new Database(":memory:");
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

function workloadOptionsOf(path: string): Required<WorkloadOptions> | undefined {
  using database = openForReading(path);
  return readWorkloadOptions(database);
}
