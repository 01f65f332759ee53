import { insertPage } from "./churn.ts";
import { itemTable, type Profile } from "./profile.ts";

/** The last transaction of each round deletes, the others insert. */
const roundTransactions = 10;

export const vacuumShrink: Profile = {
  description: "Grows for nine transactions, deletes nine rows of ten, runs VACUUM, again and again",
  schema: [itemTable, "CREATE INDEX item_key ON item(key)"],
  tables: ["item"],
  change: (transaction) => {
    if (transaction.n % roundTransactions !== 0) {
      while (transaction.goesOn) insertPage(transaction);
      return;
    }
    for (const row of transaction.each()) {
      if (transaction.random.below(10) !== 0) transaction.remove(row);
    }
  },
  maintenance: (n) => (n > 1 && n % roundTransactions === 1 ? "VACUUM" : undefined),
};
