/**
 * The first 100 bytes of a database file (https://www.sqlite.org/fileformat2.html, "The Database Header"); big-endian.
 *
 *     offset  size  field
 *          0    16  "SQLite format 3" and a zero byte
 *         16     2  page size; 1 for 65536
 *         18     2  write and read version: 1 rollback journal, 2 WAL
 *         28     4  size of the database in pages
 */
import { LitestreamError } from "./errors.ts";
import { isPageSize } from "./page-size.ts";

export const dbHeaderSizeBytes = 100;
const magic = "SQLite format 3\0";

export interface DbHeader {
  readonly pageSize: number;
  readonly isWal: boolean;
  readonly pageCount: number;
}

/**
 * @param path named in the error
 * @throws LitestreamError DATABASE_INVALID for anything that does not begin as a SQLite database.
 */
export function parseDbHeader(bytes: Uint8Array, path: string): DbHeader {
  const invalid = (why: string, hint: string): LitestreamError =>
    new LitestreamError("DATABASE_INVALID", `not a SQLite database: ${path}: ${why}`, { path, hint });
  if (bytes.byteLength === 0) {
    throw invalid("the file is empty", "Let the application create its database first, or check the path.");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < dbHeaderSizeBytes) {
    throw invalid(`${bytes.byteLength} bytes are too few for one`, "Check the path.");
  }
  for (let i = 0; i < magic.length; i++) {
    if (bytes[i] !== magic.charCodeAt(i)) {
      throw invalid(
        "it does not begin with SQLite's header",
        "Check the path; an encrypted database (SQLCipher, SEE) cannot be replicated.",
      );
    }
  }
  const stored = view.getUint16(16);
  const pageSize = stored === 1 ? 65536 : stored;
  if (!isPageSize(pageSize)) throw invalid(`page size ${pageSize}`, "Check the path; the file may be damaged.");
  return { pageSize, isWal: bytes[18] === 2 && bytes[19] === 2, pageCount: view.getUint32(28) };
}
