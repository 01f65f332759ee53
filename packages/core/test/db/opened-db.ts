import { Db, type DbOptions } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";

/** Checkpoints only where a test asks for them. */
export const never: DbOptions["checkpoint"] = {
  minPageCount: 1e9,
  maxPageCount: 0,
  intervalMs: 0,
  retryMs: 1000,
  forcedRetryMs: 10_000,
};
export const always: DbOptions["checkpoint"] = { ...never, minPageCount: 1 };

export interface OpenedDb extends Disposable {
  readonly db: Db;
  readonly events: LitestreamEventBody[];
}

/** Opens it; disposal closes it. */
export function openDb(path: string, checkpoint: DbOptions["checkpoint"] = never): OpenedDb {
  const events: LitestreamEventBody[] = [];
  const db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, (event) => events.push(event));
  db.open();
  return { db, events, [Symbol.dispose]: () => db.close() };
}
