import { databaseHeaderBytes, pageSizeIn } from "../wal/database-pages.ts";
import { readUpTo } from "../wal/file-bytes.ts";
import { parseWalHeader, walHeaderBytes } from "../wal/header.ts";
import { walFrameHeaderBytes } from "../wal/sound-frames.ts";

/** The equal pieces that a file is made of. */
export interface FileUnits {
  /** Where the first one begins, in bytes. */
  readonly startBytes: number;
  readonly unitBytes: number;
}

/** The frames of a WAL, or the pages of a database; undefined for any other file, and where there is not even one. */
export function unitsOf(fd: number, sizeBytes: number): FileUnits | undefined {
  const bytes = new Uint8Array(databaseHeaderBytes);
  readUpTo(fd, bytes, 0);
  const units = frames(bytes) ?? pages(bytes);
  return units === undefined || sizeBytes < units.startBytes + units.unitBytes ? undefined : units;
}

function frames(bytes: Uint8Array): FileUnits | undefined {
  const header = parseWalHeader(bytes);
  if ("problem" in header) return undefined;
  return { startBytes: walHeaderBytes, unitBytes: walFrameHeaderBytes + header.pageSize };
}

function pages(bytes: Uint8Array): FileUnits | undefined {
  const pageSize = pageSizeIn(bytes);
  return pageSize === undefined ? undefined : { startBytes: 0, unitBytes: pageSize };
}
