import { isLitestreamError } from "../errors.ts";
import { Connection } from "./connection.ts";
import type { DbFile } from "./db-file.ts";
import type { WalIndexView } from "./wal-index.ts";

/**
 * The wal-index of a live database. A writer that dies in the middle of a change of the header leaves two copies that
 * differ, until the next transaction of anybody recovers them from the WAL (wal.c, walIndexReadHdr). An idle database
 * may have no other for hours, so that is done here; it waits, too, for a recovery that is under way elsewhere.
 * @throws LitestreamError DATABASE_BUSY when another process keeps it from being read or recovered
 */
export function readableWalIndex(file: DbFile, busyTimeoutMs: number): WalIndexView {
  try {
    return file.readWalIndex();
  } catch (error) {
    if (!isLitestreamError(error, "DATABASE_BUSY")) throw error;
  }
  using connection = new Connection(file.realPath, busyTimeoutMs, "read");
  connection.beginRead();
  connection.rollback();
  return file.readWalIndex();
}
