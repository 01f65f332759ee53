import { churn } from "./churn.ts";
import type { Profile } from "./profile.ts";

const tables: readonly string[] = Array.from({ length: 40 }, (_, i) => `item_${i.toString().padStart(2, "0")}`);

export const manyTables: Profile = {
  description: "Forty tables with an index each, a few of which every transaction changes: a schema of many pages",
  schema: tables.flatMap((table) => [
    `CREATE TABLE ${table}(id INTEGER PRIMARY KEY, key TEXT NOT NULL, payload BLOB NOT NULL)`,
    `CREATE INDEX ${table}_key ON ${table}(key)`,
  ]),
  tables,
  change: (transaction) => {
    const table = () => transaction.tableAt(transaction.random.below(transaction.tables.length));
    churn(transaction, 2, undefined, table);
  },
};
