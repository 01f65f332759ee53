/**
 * A page of an LTX file: its header, big-endian, and its data.
 *
 *     offset  size  field
 *          0     4  page number, at least 1
 *          4     2  flags: 1 for one LZ4 block (written by 0.5.16), 0 for one LZ4 frame (by 0.5.0)
 *          6     4  bytes of the block, only with flag 1
 *     6 or 10     n  the block, or the frame
 *
 * 6 zeros in place of a header: no more pages.
 */
export const pageHeaderSizeBytes = 6;

/** Flags of a page that is stored as one block. */
export const blockFlags = 1;

/** Flags of a page that is stored as one frame. */
export const frameFlags = 0;

/** What SQLite keeps its locks on, from this byte of the database on. */
const lockByte = 0x4000_0000;

/** The page that SQLite never uses, and no LTX file holds. */
export function lockPgno(pageSize: number): number {
  return lockByte / pageSize + 1;
}

/** The page after `pgno` in a file that holds the whole database. */
export function nextPgno(pgno: number, pageSize: number): number {
  return pgno + 1 === lockPgno(pageSize) ? pgno + 2 : pgno + 1;
}

/** The most bytes that any LZ4 block of one page has: what does not shrink grows by one byte in 255, and 16. */
export function blockSizeBytesMaxOf(pageSize: number): number {
  return pageSize + Math.floor(pageSize / 255) + 16;
}
