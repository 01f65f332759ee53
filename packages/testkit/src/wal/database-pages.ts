import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync } from "node:fs";
import { chunkBytes, readUpTo } from "./file-bytes.ts";
import { isPageSize } from "./header.ts";

/**
 * Offset in bytes of SQLite's lock bytes. The page that begins here is never used, and never in a WAL.
 * https://www.sqlite.org/fileformat2.html, section 1.3.
 */
export const lockPageOffset: number = 2 ** 30;
export const databaseHeaderBytes = 100;

/**
 * SHA-256, in hex, of a database file's pages in order, with zeros for the page at byte 2^30 if the file reaches that
 * far. Where that page is all zeros, as SQLite leaves it, this is the SHA-256 of the file; elsewhere:
 *
 *     pageSize = big-endian u16 at byte 16 of the file, 1 for 65536
 *     sha256(bytes 0..2^30-1, pageSize zeros, bytes from 2^30+pageSize on)
 *
 * It is of the file alone: apply the WAL first, by a checkpoint or by `WalReplay`. Reads in bounded memory. Opens the
 * file and closes it, so this process must have no connection to it: closing drops that connection's locks.
 *
 * @throws Error naming the path if the file is no SQLite database, or is not a whole number of pages long.
 */
export function pagesDigest(path: string): string {
  return pagesDigestAround(path, lockPageOffset);
}

/** `pagesDigest` with the lock page elsewhere, at a whole number of megabytes: no test need read a gigabyte. */
export function pagesDigestAround(path: string, lockOffset: number): string {
  const pageSize = pageSizeOf(path);
  const hash = createHash("sha256");
  if (pageSize === undefined) return hash.digest("hex");
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    if (size % pageSize !== 0) {
      throw new Error(
        `${path} is ${size} bytes long, which is no whole number of its pages of ${pageSize} bytes: it was cut, or ` +
          `written to meanwhile`,
      );
    }
    const chunk = new Uint8Array(chunkBytes);
    let offset = 0;
    while (offset < size) {
      const bytes = chunk.subarray(0, size - offset);
      const end = offset + readUpTo(fd, bytes, offset);
      if (end < offset + bytes.length)
        throw new Error(`${path} ends at offset ${end} of ${size}: it was cut meanwhile`);
      // The lock page begins with a chunk, since a chunk is a megabyte.
      if (offset === lockOffset) bytes.fill(0, 0, pageSize);
      hash.update(bytes);
      offset = end;
    }
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

/**
 * The page size in bytes that a database file's header names; undefined for an empty file, all of whose pages are
 * still in the WAL. Opens the file and closes it: the caution of `pagesDigest` holds.
 *
 * @throws Error naming the path and what is there if the file is no SQLite database.
 */
export function pageSizeOf(path: string): number | undefined {
  const fd = openSync(path, "r");
  try {
    const bytes = new Uint8Array(databaseHeaderBytes);
    const got = readUpTo(fd, bytes, 0);
    if (got === 0) return undefined;
    const pageSize = pageSizeIn(bytes.subarray(0, got));
    if (pageSize !== undefined) return pageSize;
    throw new Error(`${path} does not begin with the header of a SQLite database; give the path of a database file`);
  } finally {
    closeSync(fd);
  }
}

/** The page size in bytes that a database's header names; undefined unless `bytes` begins with one. */
export function pageSizeIn(bytes: Uint8Array): number | undefined {
  if (bytes.length < databaseHeaderBytes) return undefined;
  const magic = String.fromCharCode(...bytes.subarray(0, 16));
  const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint16(16);
  const pageSize = stored === 1 ? 65536 : stored;
  return magic === "SQLite format 3\0" && isPageSize(pageSize) ? pageSize : undefined;
}
