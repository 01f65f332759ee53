import { itemTable, type Profile } from "./profile.ts";

export const append: Profile = {
  description: "Inserts at the end of one table, as a log does; from rowsMax rows on the oldest go",
  schema: [itemTable],
  tables: ["item"],
  change: (transaction) => {
    const { rowsMax, pageSize } = transaction.options;
    const key = transaction.n.toString().padStart(12, "0");
    while (transaction.goesOn) {
      const payload = transaction.smallPayload();
      transaction.insert(key, payload);
      transaction.spend((payload.length + 20) / pageSize);
      if (transaction.rows > rowsMax) transaction.removeOldest(1);
    }
  },
};
