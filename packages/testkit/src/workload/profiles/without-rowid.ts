import { churn } from "./churn.ts";
import type { Profile } from "./profile.ts";

export const withoutRowid: Profile = {
  description: "A WITHOUT ROWID table, ordered by random keys, so that rows lie in an index b-tree and move about",
  schema: [
    `CREATE TABLE item(
      id INTEGER NOT NULL UNIQUE, key TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY(key, id)) WITHOUT ROWID`,
  ],
  tables: ["item"],
  change: (transaction) => churn(transaction, 1.5),
};
