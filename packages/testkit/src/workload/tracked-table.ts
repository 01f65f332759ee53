import type { Database, Statement } from "bun:sqlite";

/** A row of a tracked table. All of them have these columns, whatever else the schema adds to them. */
export interface Item {
  readonly id: number;
  readonly key: string;
  readonly payload: Uint8Array | string;
}

/** Statements on a table whose rows the markers account for. */
export class TrackedTable implements Disposable {
  readonly name: string;
  readonly #from: Statement<Item, [number]>;
  readonly #last: Statement<Item, []>;
  readonly #insert: Statement<unknown, [number, string, Uint8Array | string]>;
  readonly #update: Statement<unknown, [string, Uint8Array | string, number]>;
  readonly #delete: Statement<unknown, [number]>;

  constructor(database: Database, name: string) {
    this.name = name;
    this.#from = database.prepare(`SELECT id, key, payload FROM ${name} WHERE id >= ? ORDER BY id LIMIT 1`);
    this.#last = database.prepare(`SELECT id, key, payload FROM ${name} ORDER BY id DESC LIMIT 1`);
    this.#insert = database.prepare(`INSERT INTO ${name}(id, key, payload) VALUES (?, ?, ?)`);
    this.#update = database.prepare(`UPDATE ${name} SET key = ?, payload = ? WHERE id = ?`);
    this.#delete = database.prepare(`DELETE FROM ${name} WHERE id = ?`);
  }

  /** The row with the lowest id that is at least `id`. */
  from(id: number): Item | undefined {
    return this.#from.get(id) ?? undefined;
  }

  /** The row with the highest id. */
  last(): Item | undefined {
    return this.#last.get() ?? undefined;
  }

  insert(item: Item): void {
    this.#insert.run(item.id, item.key, item.payload);
  }

  /** Gives the row with the id of `item` its key and payload. */
  update(item: Item): void {
    this.#update.run(item.key, item.payload, item.id);
  }

  delete(item: Item): void {
    this.#delete.run(item.id);
  }

  [Symbol.dispose](): void {
    for (const statement of [this.#from, this.#last, this.#insert, this.#update, this.#delete]) statement.finalize();
  }
}

/** All rows of the table, one after the other. */
export function* eachItem(database: Database, table: string): Generator<Item> {
  using items = database.prepare<Item, []>(`SELECT id, key, payload FROM ${table}`);
  yield* items.iterate();
}

/**
 * A sum of these stands for a set of rows: one row's change is one addition, in whatever order the rows are read. The
 * name of the table goes in as well, so that no row can move to another unseen; that of `item`, which is the only one
 * in most profiles, is left out.
 */
export function hashItem(table: string, item: Item): bigint {
  const owner = table === "item" ? "" : `${table} `;
  return Bun.hash.wyhash(item.payload, Bun.hash.wyhash(`${owner}${item.id} ${item.key}`));
}
