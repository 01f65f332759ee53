import { insertPage } from "./churn.ts";
import { itemTable, type Profile } from "./profile.ts";

export const updateRandom: Profile = {
  description: "Updates rows all over a table in place, while it grows to rowsMax rows: scattered pages, no two alike",
  schema: [itemTable],
  tables: ["item"],
  change: (transaction) => {
    while (transaction.goesOn) {
      const row = transaction.pick();
      const mayGrow = transaction.rows < transaction.options.rowsMax;
      if (row === undefined || (mayGrow && transaction.random.below(4) === 0)) {
        insertPage(transaction);
      } else {
        transaction.update(row, { payload: transaction.noise(row.payload.length) });
        transaction.spend(1);
      }
    }
  },
};
