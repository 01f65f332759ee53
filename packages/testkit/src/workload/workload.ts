import type { Database, Statement } from "bun:sqlite";
import { type Marker, markerBeforeFirst, markerTable } from "./marker.ts";
import { withDefaults, type WorkloadOptions } from "./options.ts";
import type { Profile } from "./profiles/profile.ts";
import { profileNamed } from "./profiles/profiles.ts";
import { TrackedTable } from "./tracked-table.ts";
import { WorkloadTransaction } from "./transaction.ts";

const workloadTable = `CREATE TABLE workload(
    seed INTEGER NOT NULL, pages_per_transaction INTEGER NOT NULL,
    rows_max INTEGER NOT NULL, page_size INTEGER NOT NULL, profile TEXT NOT NULL)`;

/**
 * Seeded transactions on an open database, of the kind that the profile says. Transaction n does the same to the same
 * state on every run, so that a replay gives identical rows, and several processes may take turns at one database; on
 * two databases that are new and made alike, with SQLite of one version, it gives identical pages. Each transaction
 * records itself in `marker`; see `committedPrefix`.
 */
export class Workload implements Disposable {
  readonly options: Required<WorkloadOptions>;
  readonly #database: Database;
  readonly #profile: Profile;
  readonly #lastMarker: Statement<Marker, []>;
  readonly #insertMarker: Statement<unknown, [number, number, string, string]>;
  readonly #tables: readonly TrackedTable[];

  /**
   * Creates the schema in a transaction of its own if it is absent.
   * @throws Error if the database holds a workload with other options.
   */
  constructor(database: Database, options: WorkloadOptions) {
    this.#database = database;
    this.options = withDefaults(options);
    this.#profile = profileNamed(this.options.profile);
    this.#createSchema();
    this.#lastMarker = database.prepare("SELECT n, rows, state, digest FROM marker ORDER BY n DESC LIMIT 1");
    this.#insertMarker = database.prepare("INSERT INTO marker(n, rows, state, digest) VALUES (?, ?, ?, ?)");
    this.#tables = this.#profile.tables.map((name) => new TrackedTable(database, name));
  }

  /** Number of the last committed transaction, 0 before the first. */
  get committed(): number {
    return this.#lastMarker.get()?.n ?? 0;
  }

  /**
   * Runs and commits the next transaction. Returns its number.
   *
   * Before some of their transactions `vacuum-shrink` runs VACUUM, and `grow-shrink` an incremental one: a commit of
   * its own, which changes no row and no marker. It comes before rather than after, so that a workload that was
   * killed at it does it again when it goes on.
   */
  commitNext(): number {
    const maintenance = this.#profile.maintenance?.(this.committed + 1, this.options);
    if (maintenance !== undefined) this.#database.run(maintenance);
    return transaction(this.#database, () => this.#next());
  }

  /** Runs the next `count` transactions. Returns the number of the last one. */
  commit(count: number): number {
    for (let i = 0; i < count; i++) this.commitNext();
    return this.committed;
  }

  [Symbol.dispose](): void {
    this.#lastMarker.finalize();
    this.#insertMarker.finalize();
    for (const table of this.#tables) table[Symbol.dispose]();
  }

  #next(): number {
    const next = new WorkloadTransaction(this.#lastMarker.get() ?? markerBeforeFirst, this.options, this.#tables);
    this.#profile.change(next);
    const marker = next.marker();
    this.#insertMarker.run(marker.n, marker.rows, marker.state, marker.digest);
    return marker.n;
  }

  #createSchema(): void {
    transaction(this.#database, () => {
      const { seed, pagesPerTransaction, rowsMax, pageSize, profile } = this.options;
      const found = readWorkloadOptions(this.#database);
      if (found === undefined) {
        for (const sql of [workloadTable, ...this.#profile.schema, markerTable]) this.#database.run(sql);
        const row = [seed, pagesPerTransaction, rowsMax, pageSize, profile];
        this.#database.run("INSERT INTO workload VALUES (?, ?, ?, ?, ?)", row);
      } else if (!Bun.deepEquals(found, this.options)) {
        const [inside, wanted] = [JSON.stringify(found), JSON.stringify(this.options)];
        throw new Error(`the database holds a workload with ${inside}, which cannot be continued with ${wanted}`);
      }
    });
  }
}

/**
 * The options that a database's workload was begun with, or undefined if it holds none; a table of that name with
 * other columns is somebody else's.
 */
export function readWorkloadOptions(database: Database): Required<WorkloadOptions> | undefined {
  using tables = database.prepare<unknown, [string]>("SELECT 1 FROM sqlite_schema WHERE name = 'workload' AND sql = ?");
  if (tables.get(workloadTable) === null) return undefined;
  using row = database.prepare<Required<WorkloadOptions>, []>(
    `SELECT seed, profile, pages_per_transaction AS pagesPerTransaction, rows_max AS rowsMax, page_size AS pageSize
      FROM workload`,
  );
  return row.get() ?? undefined;
}

function transaction<Result>(database: Database, work: () => Result): Result {
  database.run("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.run("COMMIT");
    return result;
  } catch (error) {
    if (database.inTransaction) database.run("ROLLBACK");
    throw error;
  }
}
