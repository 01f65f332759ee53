import { insertPage } from "./churn.ts";
import { itemTable, type Profile } from "./profile.ts";

/** The first half of each round grows, the second shrinks. */
const roundTransactions = 10;

function shrinks(n: number): boolean {
  return (n - 1) % roundTransactions >= roundTransactions / 2;
}

export const growShrink: Profile = {
  description:
    "Pages come and go by auto_vacuum, full or incremental: pages move, the database's size goes up and down",
  autoVacuum: "incremental",
  schema: [itemTable, "CREATE INDEX item_key ON item(key)"],
  tables: ["item"],
  change: (transaction) => {
    if (!shrinks(transaction.n)) {
      while (transaction.goesOn) insertPage(transaction);
      return;
    }
    // They lie at the front of the file, so that pages from its end have to take their place.
    transaction.removeOldest(Math.ceil(transaction.rows / 3));
  },
  // Without a number all free pages go, and then the next round begins with an empty freelist; elsewhere some remain.
  maintenance: (n, { pagesPerTransaction }) => {
    if (n > 1 && n % roundTransactions === 1) return "PRAGMA incremental_vacuum";
    return shrinks(n) ? `PRAGMA incremental_vacuum(${pagesPerTransaction})` : undefined;
  },
};
