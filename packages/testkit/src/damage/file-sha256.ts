import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { chunkBytes, readUpTo } from "../wal/file-bytes.ts";

/**
 * SHA-256 of a file, in hex, read in bounded memory. Opens the file and closes it: for a database or its `-shm` this
 * process must have no connection to it.
 */
export function fileSha256(path: string): string {
  const fd = openSync(path, "r");
  try {
    return sha256Of(fd);
  } finally {
    closeSync(fd);
  }
}

/** `fileSha256` through a descriptor that is already open. */
export function sha256Of(fd: number): string {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(chunkBytes);
  let offset = 0;
  for (let got = readUpTo(fd, chunk, 0); got > 0; got = readUpTo(fd, chunk, offset)) {
    hash.update(chunk.subarray(0, got));
    offset += got;
  }
  return hash.digest("hex");
}
