import { itemTable, type Profile } from "./profile.ts";

export const blobOverflow: Profile = {
  description: "Blobs of several pages that come, go, grow and shrink: overflow chains all over the file",
  schema: [itemTable],
  tables: ["item"],
  change: (transaction) => {
    const { random } = transaction;
    const { pagesPerTransaction, rowsMax, pageSize } = transaction.options;
    while (transaction.goesOn) {
      const row = transaction.pick();
      const choice = random.below(4);
      const overflowPages = 1 + random.below(Math.max(4, pagesPerTransaction >> 1));
      const bytes = overflowPages * pageSize + random.below(pageSize);
      if (row === undefined || choice < 2) {
        transaction.insert(transaction.randomKey(), transaction.noise(bytes));
        if (row !== undefined && transaction.rows > rowsMax) transaction.remove(row);
      } else if (choice === 2) {
        transaction.update(row, { payload: transaction.noise(bytes) });
      } else {
        transaction.remove(row);
      }
      transaction.spend(1 + overflowPages);
    }
  },
};
