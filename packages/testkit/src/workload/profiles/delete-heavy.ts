import { insertPage } from "./churn.ts";
import { itemTable, type Profile } from "./profile.ts";

/** Every so many transactions three quarters of all rows go. */
const purgePeriod = 16;

export const deleteHeavy: Profile = {
  description: "Deletes runs of rows, and now and then most of them: merged leaves, a freelist that fills and empties",
  schema: [itemTable, "CREATE INDEX item_key ON item(key)"],
  tables: ["item"],
  change: (transaction) => {
    if (transaction.n % purgePeriod === 0) transaction.removeOldest(Math.floor((transaction.rows * 3) / 4));
    const { rowsMax, pageSize } = transaction.options;
    while (transaction.goesOn) {
      const row = transaction.pick();
      if (row === undefined || (transaction.rows < rowsMax && transaction.random.below(2) === 0)) {
        insertPage(transaction);
      } else {
        const bytes = transaction.random.below(pageSize);
        let removed = 0;
        for (const next of transaction.each(row)) {
          transaction.remove(next);
          removed += next.payload.length;
          if (removed > bytes) break;
        }
        transaction.spend(1);
      }
    }
  },
};
