import { itemTable, type Profile } from "./profile.ts";

export const mixed: Profile = {
  description: "Inserts, updates and deletes of random rows, blobs with overflow pages, an index: a bit of everything",
  schema: [itemTable, "CREATE INDEX item_key ON item(key)"],
  tables: ["item"],
  change: (transaction) => {
    const { random } = transaction;
    const { pagesPerTransaction, rowsMax, pageSize } = transaction.options;
    const insert = (bytes: number): void => {
      const key = transaction.randomKey();
      transaction.insert(key, transaction.noise(bytes));
    };

    while (transaction.goesOn) {
      const aim = transaction.rows === 0 ? 0 : random.below(transaction.idEnd);
      const victim = transaction.from(aim) ?? transaction.from(0);
      const choice = random.below(10);
      const makeRoom = transaction.rows >= rowsMax;
      if (victim === undefined || choice < 5) {
        insert(20 + random.below(Math.min(600, pageSize)));
        transaction.spend(1);
        if (victim !== undefined && makeRoom) transaction.remove(victim);
      } else if (choice < 8) {
        const payload = transaction.noise(victim.payload.length);
        transaction.update(victim, { key: choice === 5 ? transaction.randomKey() : victim.key, payload });
        transaction.spend(1 + Math.floor(payload.length / pageSize));
      } else if (choice === 8) {
        transaction.remove(victim);
        transaction.spend(2);
      } else {
        const overflowPages = 1 + random.below(Math.max(4, pagesPerTransaction >> 4));
        insert(overflowPages * pageSize + random.below(pageSize));
        transaction.spend(1 + overflowPages);
        if (makeRoom) transaction.remove(victim);
      }
    }
  },
};
