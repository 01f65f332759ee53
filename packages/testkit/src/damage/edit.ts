/** Changes to a file in place, in bounded memory. A stretch is its offset and length in bytes. */
import { ftruncateSync } from "node:fs";
import type { SeededRandom } from "../seeded-random.ts";
import { chunkBytes, readUpTo, writeAll } from "../wal/file-bytes.ts";

/** Inverts one bit, taken at random, of each byte of the stretch. */
export function flipBits(fd: number, offset: number, lengthBytes: number, random: SeededRandom): void {
  for (const [at, length] of chunksOf(offset, lengthBytes)) {
    const bytes = read(fd, at, length);
    writeAll(
      fd,
      bytes.map((byte) => byte ^ (1 << random.below(8))),
      at,
    );
  }
}

export function zero(fd: number, offset: number, lengthBytes: number): void {
  for (const [at, length] of chunksOf(offset, lengthBytes)) writeAll(fd, new Uint8Array(length), at);
}

/** Offset of the first byte of the stretch that is not zero; undefined if all are. */
export function findNonZero(fd: number, offset: number, lengthBytes: number): number | undefined {
  for (const [at, length] of chunksOf(offset, lengthBytes)) {
    const found = read(fd, at, length).findIndex((byte) => byte !== 0);
    if (found >= 0) return at + found;
  }
  return undefined;
}

/** Takes the stretch out; what lies behind it moves up. */
export function remove(fd: number, sizeBytes: number, offset: number, lengthBytes: number): void {
  const end = offset + lengthBytes;
  for (const [at, length] of chunksOf(end, sizeBytes - end)) writeAll(fd, read(fd, at, length), at - lengthBytes);
  ftruncateSync(fd, sizeBytes - lengthBytes);
}

/** Puts a copy of the stretch in at `target`; what lies from there on moves down. */
export function insertCopy(fd: number, sizeBytes: number, offset: number, lengthBytes: number, target: number): void {
  // From the end backwards, so that nothing is overwritten before it has moved.
  for (const [at, length] of chunksOf(target, sizeBytes - target).toReversed()) {
    writeAll(fd, read(fd, at, length), at + lengthBytes);
  }
  const before = Math.max(0, Math.min(lengthBytes, target - offset));
  for (const [at, length] of chunksOf(offset, before)) writeAll(fd, read(fd, at, length), target + at - offset);
  for (const [at, length] of chunksOf(offset + before, lengthBytes - before)) {
    writeAll(fd, read(fd, at + lengthBytes, length), target + at - offset);
  }
}

function chunksOf(offset: number, lengthBytes: number): [offset: number, length: number][] {
  return Array.from({ length: Math.ceil(lengthBytes / chunkBytes) }, (_, i) => {
    const done = i * chunkBytes;
    return [offset + done, Math.min(chunkBytes, lengthBytes - done)];
  });
}

function read(fd: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const got = readUpTo(fd, bytes, offset);
  if (got < length)
    throw new Error(`the file ends at offset ${offset + got}, before ${offset + length}: it has changed`);
  return bytes;
}
