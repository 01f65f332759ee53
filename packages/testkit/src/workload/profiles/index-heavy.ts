import { churn } from "./churn.ts";
import { itemTable, type Profile } from "./profile.ts";

export const indexHeavy: Profile = {
  description: "A table with five indexes, unique, partial, descending and on expressions: many pages for one row",
  schema: [
    itemTable,
    "CREATE INDEX item_key ON item(key)",
    "CREATE UNIQUE INDEX item_key_id ON item(key DESC, id)",
    "CREATE INDEX item_head ON item(substr(payload, 1, 12))",
    "CREATE INDEX item_length ON item(length(payload), key)",
    "CREATE INDEX item_odd ON item(key, payload) WHERE id % 2 = 1",
  ],
  tables: ["item"],
  change: (transaction) => churn(transaction, 4),
};
