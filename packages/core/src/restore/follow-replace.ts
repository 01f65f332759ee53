import { throwIfAborted } from "../abort.ts";
import { dbHeaderSizeBytes, parseDbHeader } from "../db-header.ts";
import { LocalFile } from "../local-file.ts";
import type { CopyTransaction } from "../sqlite/followed-copy.ts";
import { otherPageSize } from "./follow-changes.ts";
import { outputError } from "./output-file.ts";

const blockSizeBytes = 1024 * 1024;

/** SQLite's lock bytes: the page that has this one is never used. */
const lockByte = 0x40000000;

/**
 * Appends what makes the copy the database in `path`: the pages that differ, where the copy's file can be compared,
 * else all. @returns pages
 */
export async function replaceContent(
  transaction: CopyTransaction,
  path: string,
  pageSize: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  using file = LocalFile.openToRead(path, (error) => outputError(error, path));
  const header = new Uint8Array(dbHeaderSizeBytes);
  const { pageSize: restoredPageSize } = parseDbHeader(header.subarray(0, file.readAt(header, 0)), path);
  if (restoredPageSize !== pageSize) throw otherPageSize(path, restoredPageSize, pageSize);
  const pageCount = file.sizeBytes / pageSize;
  const lockPgno = lockByte / pageSize + 1;
  const [block, old] = [Buffer.alloc(blockSizeBytes), Buffer.alloc(blockSizeBytes)];
  for (let start = 0; start < file.sizeBytes; start += blockSizeBytes) {
    throwIfAborted(signal, "following");
    const sizeBytes = file.readAt(block, start);
    const oldSizeBytes = transaction.isInFile ? transaction.readFileAt(old, start) : 0;
    for (let at = 0; at < sizeBytes; at += pageSize) {
      const pgno = (start + at) / pageSize + 1;
      const page = block.subarray(at, at + pageSize);
      const isSame = at + pageSize <= oldSizeBytes && page.equals(old.subarray(at, at + pageSize));
      if (pgno !== lockPgno && (!isSame || pgno === 1)) transaction.append(pgno, page);
    }
    // Others get their turn.
    await new Promise((turn) => setImmediate(turn));
  }
  transaction.markCommit(pageCount);
  return transaction.frameCount;
}
