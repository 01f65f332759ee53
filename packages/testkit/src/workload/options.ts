import { requirePageSize } from "../wal/builder.ts";

export type ProfileName =
  | "append"
  | "update-hot"
  | "update-random"
  | "delete-heavy"
  | "blob-overflow"
  | "index-heavy"
  | "without-rowid"
  | "vacuum-shrink"
  | "grow-shrink"
  | "many-tables"
  | "fts"
  | "mixed";

/** What the rows of a workload depend on. The database itself records it, in the table `workload`. */
export interface WorkloadOptions {
  /** An integer from 0 to 2^32 - 1. */
  readonly seed: number;
  /** What the transactions do; see `profiles`. Default `mixed`. */
  readonly profile?: ProfileName;
  /**
   * How much a transaction does, counted in the pages that the profile means to change. Default 8. Most transactions
   * have half to three times as many frames in the WAL: SQLite adds the marker's page, inner pages and indexes, and
   * writes a page once that several changes share, so that a small database has fewer. Those that delete most rows
   * have more.
   */
  readonly pagesPerTransaction?: number;
  /** Rows at which the workload stops growing, in all its tables together. Default 10000. */
  readonly rowsMax?: number;
  /**
   * The unit of payloads, so that they fill pages: a power of two from 512 to 65536. `spawnWriter` makes its database
   * with such pages; a database that is made otherwise may have others. Default 4096.
   */
  readonly pageSize?: number;
}

/** `options` with every default filled in. @throws RangeError for one out of its range. */
export function withDefaults(options: WorkloadOptions): Required<WorkloadOptions> {
  const { seed, profile = "mixed", pagesPerTransaction = 8, rowsMax = 10_000, pageSize = 4096 } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw new RangeError(`seed out of range: ${seed}`);
  for (const [name, value] of Object.entries({ pagesPerTransaction, rowsMax })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} is a positive integer, not ${value}`);
  }
  requirePageSize(pageSize);
  return { seed, profile, pagesPerTransaction, rowsMax, pageSize };
}
