import type { TrackedTable } from "../tracked-table.ts";
import type { WorkloadTransaction } from "../transaction.ts";

/**
 * Inserts, updates and deletes rows in random places, in this order of frequency, one for one at `rowsMax`.
 * @param pages what one row's change counts as
 */
export function churn(
  transaction: WorkloadTransaction,
  pages: number,
  payload: () => Uint8Array | string = () => transaction.smallPayload(),
  table: () => TrackedTable = () => transaction.table,
): void {
  while (transaction.goesOn) {
    const chosen = table();
    const row = transaction.pick(chosen);
    const choice = transaction.random.below(10);
    if (row === undefined || choice < 5) {
      transaction.insert(transaction.randomKey(), payload(), chosen);
      if (row !== undefined && transaction.rows > transaction.options.rowsMax) transaction.remove(row);
    } else if (choice < 8) {
      transaction.update(row, { key: transaction.randomKey(), payload: payload() });
    } else {
      transaction.remove(row);
    }
    transaction.spend(pages);
  }
}

/** Inserts small rows, about as many as fill a page, and counts them as one. Does nothing at `rowsMax`. */
export function insertPage(transaction: WorkloadTransaction): void {
  const { rowsMax, pageSize } = transaction.options;
  let bytes = 0;
  while (bytes < pageSize && transaction.rows < rowsMax && transaction.goesOn) {
    const row = transaction.insert(transaction.randomKey(), transaction.smallPayload());
    bytes += row.payload.length;
  }
  transaction.spend(1);
}
