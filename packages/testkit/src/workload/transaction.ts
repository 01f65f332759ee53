import { SeededRandom } from "../seeded-random.ts";
import { type Marker, nextMarker, stateOf } from "./marker.ts";
import type { WorkloadOptions } from "./options.ts";
import { hashItem, type Item, type TrackedTable } from "./tracked-table.ts";

/** Ids of transaction n are `n * itemsPerTransactionMax` and up, so that they never depend on what was deleted. */
const itemsPerTransactionMax = 65536;

/** A row together with the table it is in. */
export interface Row extends Item {
  readonly table: TrackedTable;
}

/**
 * A transaction of a workload while it runs: what a profile may do to the tracked tables, with the account of it that
 * goes into the marker. Everything is decided by `random` and by the rows that are there.
 */
export class WorkloadTransaction {
  /** Counting from 1. */
  readonly n: number;
  readonly options: Required<WorkloadOptions>;
  /** Seeded by the workload's seed and `n`. */
  readonly random: SeededRandom;
  readonly tables: readonly TrackedTable[];
  readonly #previous: Marker;
  #nextId: number;
  #rows: number;
  #state: bigint;
  #pages = 0;

  constructor(previous: Marker, options: Required<WorkloadOptions>, tables: readonly TrackedTable[]) {
    this.n = previous.n + 1;
    this.options = options;
    this.random = new SeededRandom(options.seed, this.n);
    this.tables = tables;
    this.#previous = previous;
    this.#nextId = this.n * itemsPerTransactionMax;
    this.#rows = previous.rows;
    this.#state = stateOf(previous);
  }

  /** The first tracked table, which is the only one in most profiles. */
  get table(): TrackedTable {
    return this.tableAt(0);
  }

  tableAt(index: number): TrackedTable {
    const table = this.tables[index];
    if (table === undefined) throw new RangeError(`the profile tracks ${this.tables.length} tables, not ${index + 1}`);
    return table;
  }

  /** Rows in all tracked tables. */
  get rows(): number {
    return this.#rows;
  }

  /** Above every id that a row can have by now. */
  get idEnd(): number {
    return (this.n + 1) * itemsPerTransactionMax;
  }

  /** False once `pagesPerTransaction` pages are spent, or all ids of this transaction are. */
  get goesOn(): boolean {
    return this.#pages < this.options.pagesPerTransaction && this.#nextId < this.idEnd;
  }

  /** Counts pages, or a part of one, towards `pagesPerTransaction`. */
  spend(pages: number): void {
    this.#pages += pages;
  }

  /** A key in no order: `key-` and six digits. */
  randomKey(): string {
    return `key-${this.random.below(1_000_000).toString().padStart(6, "0")}`;
  }

  /** Bytes that do not compress. */
  noise(bytes: number): Uint8Array {
    return this.random.fill(new Uint8Array(bytes));
  }

  /** Bytes of a row of which about a dozen share a page of 4096, and which mostly fits into any. */
  smallPayload(): Uint8Array {
    return this.noise(20 + this.random.below(Math.min(600, this.options.pageSize)));
  }

  insert(key: string, payload: Uint8Array | string, table: TrackedTable = this.table): Row {
    if (this.#nextId >= this.idEnd) throw new RangeError(`transaction ${this.n} has no id left`);
    const row = { id: this.#nextId++, key, payload, table };
    table.insert(row);
    this.#state += hashItem(table.name, row);
    this.#rows++;
    return row;
  }

  update(row: Row, change: { readonly key?: string; readonly payload?: Uint8Array | string }): void {
    const updated = { ...row, ...change };
    row.table.update(updated);
    this.#state += hashItem(row.table.name, updated) - hashItem(row.table.name, row);
  }

  remove(row: Row): void {
    row.table.delete(row);
    this.#state -= hashItem(row.table.name, row);
    this.#rows--;
  }

  /** The row of `table` with the lowest id that is at least `id`. */
  from(id: number, table: TrackedTable = this.table): Row | undefined {
    const item = table.from(id);
    return item && { ...item, table };
  }

  /** A random row of `table`, all of them about as likely; undefined if there is none. */
  pick(table: TrackedTable = this.table): Row | undefined {
    const [first, last] = [table.from(0), table.last()];
    if (first === undefined || last === undefined) return undefined;
    // Ids lie together at the start of each transaction's range: aim there, as far as they reach on average.
    const low = Math.floor(first.id / itemsPerTransactionMax);
    const high = Math.floor(last.id / itemsPerTransactionMax);
    const rowsPerTransaction = Math.ceil(this.#rows / (high - low + 1));
    const by = low + this.random.below(high - low + 1);
    const id = by * itemsPerTransactionMax + this.random.below(rowsPerTransaction);
    return this.from(id, table) ?? { ...last, table };
  }

  /** All rows of a table by id, from `first` on; each may be removed when its turn has come. */
  *each(first: Row | undefined = this.from(0)): Generator<Row> {
    for (let row = first; row !== undefined; row = this.from(row.id + 1, row.table)) yield row;
  }

  /** Removes the `count` rows of the first table with the lowest ids, or as many as there are. */
  removeOldest(count: number): void {
    let left = count;
    if (left === 0) return;
    for (const row of this.each()) {
      this.remove(row);
      if (--left === 0) return;
    }
  }

  /** The record of what was done. */
  marker(): Marker {
    return nextMarker(this.#previous, this.#rows, this.#state);
  }
}
