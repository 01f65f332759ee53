import type { Database, Statement } from "bun:sqlite";
import { createHash } from "node:crypto";
import { SeededRandom } from "../seeded-random.ts";

/** What the rows of a workload depend on. The database itself records it, in the table `workload`. */
export interface WorkloadOptions {
  /** An integer from 0 to 2^32 - 1. */
  readonly seed: number;
  /** About how many pages a transaction changes. Default 8. */
  readonly pagesPerTransaction?: number;
  /** Rows at which the workload stops growing and deletes one for each it inserts. Default 10000. */
  readonly rowsMax?: number;
  /** Scales the blobs, so that they fill overflow pages. The database may have another page size. Default 4096. */
  readonly pageSize?: number;
}

/** One row of the table `marker`: the transaction that wrote it, and the state it left. */
export interface Marker {
  /** Number of the transaction, counting from 1. */
  readonly n: number;
  /** Rows in `item` after the transaction. */
  readonly rows: number;
  /** Sum, modulo 2^64, of the hash of each row in `item` after the transaction: 16 hexadecimal digits. */
  readonly state: string;
  /** SHA-256, in hex, of the marker before and of this one's other columns: a chain over the whole history. */
  readonly digest: string;
}

/** A row of the table `item`. */
export interface Item {
  readonly id: number;
  readonly key: string;
  readonly payload: Uint8Array;
}

const markerBeforeFirst: Marker = { n: 0, rows: 0, state: "0".repeat(16), digest: "" };

/** Ids of transaction n are `n * itemsPerTransactionMax` and up, so that they never depend on what was deleted. */
const itemsPerTransactionMax = 65536;

const schema = [
  `CREATE TABLE workload(
    seed INTEGER NOT NULL, pages_per_transaction INTEGER NOT NULL,
    rows_max INTEGER NOT NULL, page_size INTEGER NOT NULL)`,
  "CREATE TABLE item(id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL)",
  "CREATE INDEX item_key ON item(key)",
  "CREATE TABLE marker(n INTEGER PRIMARY KEY, rows INTEGER NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL)",
];

/**
 * Seeded transactions on an open database: inserts, updates and deletes of random rows, blobs with overflow pages, an
 * index. Transaction n does the same to the same state on every run, so that a replay gives identical rows, and several
 * processes may take turns at one database. Each transaction records itself in `marker`; see `committedPrefix`.
 */
export class Workload implements Disposable {
  readonly options: Required<WorkloadOptions>;
  readonly #database: Database;
  readonly #lastMarker: Statement<Marker, []>;
  readonly #insertMarker: Statement<unknown, [number, number, string, string]>;
  readonly #itemFrom: Statement<Item, [number]>;
  readonly #insertItem: Statement<unknown, [number, string, Uint8Array]>;
  readonly #updateItem: Statement<unknown, [string, Uint8Array, number]>;
  readonly #deleteItem: Statement<unknown, [number]>;

  /**
   * Creates the schema in a transaction of its own if it is absent.
   * @throws Error if the database holds a workload with other options.
   */
  constructor(database: Database, options: WorkloadOptions) {
    this.#database = database;
    this.options = withDefaults(options);
    this.#createSchema();
    this.#lastMarker = database.prepare("SELECT n, rows, state, digest FROM marker ORDER BY n DESC LIMIT 1");
    this.#insertMarker = database.prepare("INSERT INTO marker(n, rows, state, digest) VALUES (?, ?, ?, ?)");
    this.#itemFrom = database.prepare("SELECT id, key, payload FROM item WHERE id >= ? ORDER BY id LIMIT 1");
    this.#insertItem = database.prepare("INSERT INTO item(id, key, payload) VALUES (?, ?, ?)");
    this.#updateItem = database.prepare("UPDATE item SET key = ?, payload = ? WHERE id = ?");
    this.#deleteItem = database.prepare("DELETE FROM item WHERE id = ?");
  }

  /** Number of the last committed transaction, 0 before the first. */
  get committed(): number {
    return this.#lastMarker.get()?.n ?? 0;
  }

  /** Runs and commits the next transaction. Returns its number. */
  commitNext(): number {
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
    this.#itemFrom.finalize();
    this.#insertItem.finalize();
    this.#updateItem.finalize();
    this.#deleteItem.finalize();
  }

  #next(): number {
    const { seed, pagesPerTransaction, rowsMax, pageSize } = this.options;
    const previous = this.#lastMarker.get() ?? markerBeforeFirst;
    const n = previous.n + 1;
    const random = new SeededRandom(seed, n);
    const end = (n + 1) * itemsPerTransactionMax;
    let nextId = n * itemsPerTransactionMax;
    let rows = previous.rows;
    let state = BigInt(`0x${previous.state}`);
    let pages = 0;

    const insert = (bytes: number): void => {
      const item = { id: nextId++, key: randomKey(random), payload: random.fill(new Uint8Array(bytes)) };
      this.#insertItem.run(item.id, item.key, item.payload);
      state += hashItem(item);
      rows++;
    };
    const pick = (): Item | undefined => {
      if (rows === 0) return undefined;
      return this.#itemFrom.get(random.below(end)) ?? this.#itemFrom.get(0) ?? undefined;
    };
    const remove = (item: Item): void => {
      this.#deleteItem.run(item.id);
      state -= hashItem(item);
      rows--;
    };

    while (pages < pagesPerTransaction && nextId < end) {
      const victim = pick();
      const choice = random.below(10);
      const makeRoom = rows >= rowsMax;
      if (victim === undefined || choice < 5) {
        insert(20 + random.below(Math.min(600, pageSize)));
        pages += 1;
        if (victim !== undefined && makeRoom) remove(victim);
      } else if (choice < 8) {
        const payload = random.fill(new Uint8Array(victim.payload.length));
        const updated = { id: victim.id, key: choice === 5 ? randomKey(random) : victim.key, payload };
        this.#updateItem.run(updated.key, updated.payload, updated.id);
        state += hashItem(updated) - hashItem(victim);
        pages += 1 + Math.floor(payload.length / pageSize);
      } else if (choice === 8) {
        remove(victim);
        pages += 2;
      } else {
        const overflowPages = 1 + random.below(Math.max(4, pagesPerTransaction >> 4));
        insert(overflowPages * pageSize + random.below(pageSize));
        pages += 1 + overflowPages;
        if (makeRoom) remove(victim);
      }
    }

    const marker = nextMarker(previous, rows, state);
    this.#insertMarker.run(marker.n, marker.rows, marker.state, marker.digest);
    return n;
  }

  #createSchema(): void {
    transaction(this.#database, () => {
      const { seed, pagesPerTransaction, rowsMax, pageSize } = this.options;
      const found = readWorkloadOptions(this.#database);
      if (found === undefined) {
        for (const sql of schema) this.#database.run(sql);
        this.#database.run("INSERT INTO workload VALUES (?, ?, ?, ?)", [seed, pagesPerTransaction, rowsMax, pageSize]);
      } else if (!Bun.deepEquals(found, this.options)) {
        const [inside, wanted] = [JSON.stringify(found), JSON.stringify(this.options)];
        throw new Error(`the database holds a workload with ${inside}, which cannot be continued with ${wanted}`);
      }
    });
  }
}

/** The options that a database's workload was begun with, or undefined if it holds none. */
export function readWorkloadOptions(database: Database): Required<WorkloadOptions> | undefined {
  using tables = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'workload'");
  if (tables.get() === null) return undefined;
  using row = database.prepare<Required<WorkloadOptions>, []>(
    `SELECT seed, pages_per_transaction AS pagesPerTransaction, rows_max AS rowsMax, page_size AS pageSize
      FROM workload`,
  );
  return row.get() ?? undefined;
}

/**
 * Reads all markers and items of a workload's database and returns the last marker.
 * @throws Error unless the markers are contiguous and chained, and the items are exactly those the last marker left.
 */
export function verifyMarkers(database: Database): Marker {
  using markers = database.prepare<Marker, []>("SELECT n, rows, state, digest FROM marker ORDER BY n");
  let last = markerBeforeFirst;
  for (const marker of markers.iterate()) {
    if (marker.n !== last.n + 1) throw new Error(`transaction ${last.n + 1} is missing: ${marker.n} follows ${last.n}`);
    const expected = nextMarker(last, marker.rows, BigInt(`0x${marker.state}`));
    if (marker.digest !== expected.digest) throw new Error(`marker ${marker.n} is not the one that transaction wrote`);
    last = marker;
  }

  using items = database.prepare<Item, []>("SELECT id, key, payload FROM item");
  let rows = 0;
  let state = 0n;
  for (const item of items.iterate()) {
    state += hashItem(item);
    rows++;
  }
  if (rows !== last.rows || stateText(state) !== last.state) {
    throw new Error(
      `the rows are not those of transaction ${last.n}, the last one marked: ` +
        `${rows} with state ${stateText(state)}, not ${last.rows} with state ${last.state}`,
    );
  }
  return last;
}

/** `options` with every default filled in. @throws RangeError for one out of its range. */
export function withDefaults(options: WorkloadOptions): Required<WorkloadOptions> {
  const { seed, pagesPerTransaction = 8, rowsMax = 10_000, pageSize = 4096 } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw new RangeError(`seed out of range: ${seed}`);
  for (const [name, value] of Object.entries({ pagesPerTransaction, rowsMax, pageSize })) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} is a positive integer, not ${value}`);
  }
  return { seed, pagesPerTransaction, rowsMax, pageSize };
}

function nextMarker(previous: Marker, rows: number, state: bigint): Marker {
  const n = previous.n + 1;
  const text = stateText(state);
  const digest = createHash("sha256").update(`${previous.digest} ${n} ${rows} ${text}`).digest("hex");
  return { n, rows, state: text, digest };
}

function stateText(state: bigint): string {
  return BigInt.asUintN(64, state).toString(16).padStart(16, "0");
}

/** A sum of these stands for a set of rows: one row's change is one addition, in whatever order the rows are read. */
function hashItem(item: Item): bigint {
  return Bun.hash.wyhash(item.payload, Bun.hash.wyhash(`${item.id} ${item.key}`));
}

function randomKey(random: SeededRandom): string {
  return `key-${random.below(1_000_000).toString().padStart(6, "0")}`;
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
