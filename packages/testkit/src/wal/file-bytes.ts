import { readSync, writeSync } from "node:fs";

/** How much of a file is held in memory at a time. */
export const chunkBytes: number = 1 << 20;

/** Fills `bytes` from the file, from `position` on; returns how many bytes there were, fewer only at the file's end. */
export function readUpTo(fd: number, bytes: Uint8Array, position: number): number {
  let got = 0;
  while (got < bytes.length) {
    const read = readSync(fd, bytes, got, bytes.length - got, position + got);
    if (read === 0) break;
    got += read;
  }
  return got;
}

/** Writes all of `bytes` at `position`. */
export function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}
