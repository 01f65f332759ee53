import type { AutoVacuum } from "../../database/open-database.ts";
import type { WorkloadOptions } from "../options.ts";
import type { WorkloadTransaction } from "../transaction.ts";

/** What a workload does to a database. It must decide nothing by chance, by the clock or by any order but SQL's. */
export interface Profile {
  /** One line: what its transactions do, and what that is good for. */
  readonly description: string;
  /** Where a database is made for it and no mode is asked for. Default `none`. */
  readonly autoVacuum?: AutoVacuum;
  /** The statements that make its tables. */
  readonly schema: readonly string[];
  /** The tables whose rows the markers account for, each with the columns id, key and payload. */
  readonly tables: readonly string[];
  /** Changes rows, inside of the transaction that its marker ends. */
  readonly change: (transaction: WorkloadTransaction) => void;
  /** A statement to run before transaction `n` and outside of it, which changes no row. */
  readonly maintenance?: (n: number, options: Required<WorkloadOptions>) => string | undefined;
}

/** The table that most profiles have alone. */
export const itemTable = "CREATE TABLE item(id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL)";
