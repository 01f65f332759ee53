import { itemTable, type Profile } from "./profile.ts";

/** Share of a page, so that each row lies on a page of its own. */
const payloadShare = 0.6;

export const updateHot: Profile = {
  description: "Updates the same few rows in place in every transaction: a WAL far longer than the pages in it",
  schema: [itemTable],
  tables: ["item"],
  change: (transaction) => {
    const { pagesPerTransaction, rowsMax, pageSize } = transaction.options;
    const bytes = Math.floor(pageSize * payloadShare);
    if (transaction.n > 1) {
      for (const row of transaction.each()) transaction.update(row, { payload: transaction.noise(bytes) });
      return;
    }
    for (let i = 0; i < Math.min(pagesPerTransaction, rowsMax) && transaction.goesOn; i++) {
      transaction.insert(transaction.randomKey(), transaction.noise(bytes));
    }
  },
};
