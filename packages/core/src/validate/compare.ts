import { throwIfAborted } from "../abort.ts";
import type { LocalFile } from "../local-file.ts";
import { Crc64 } from "../ltx/crc64.ts";

/** Where SQLite keeps its locks: the page of this byte is never written, and may hold anything. */
const lockByte = 0x4000_0000;
const stepSizeBytes = 1 << 20;

export interface Comparison {
  readonly isSame: boolean;
  /** Numbers of the first pages that differ, or that only one of them has. */
  readonly pgnos: readonly number[];
  readonly differingPages: number;
  /** CRC-64 (ISO 3309) of each, without the lock page. */
  readonly checksums: readonly [bigint, bigint];
}

/** Compares two database files, page by page. */
export async function comparePages(
  files: readonly [LocalFile, LocalFile],
  pageSize: number,
  pgnosMax: number,
  signal: AbortSignal,
): Promise<Comparison> {
  const sums = [new Crc64(), new Crc64()] as const;
  const stepPages = Math.max(1, Math.floor(stepSizeBytes / pageSize));
  const buffers = [new Uint8Array(stepPages * pageSize), new Uint8Array(stepPages * pageSize)] as const;
  const pgnos: number[] = [];
  let differingPages = 0;
  for (let first = 0; ; first += stepPages) {
    throwIfAborted(signal, "the validation");
    const [a, b] = [0, 1].map((at) => {
      const [file, buffer] = at === 0 ? [files[0], buffers[0]] : [files[1], buffers[1]];
      return buffer.subarray(0, file.readAt(buffer, first * pageSize));
    }) as [Uint8Array, Uint8Array];
    if (a.byteLength === 0 && b.byteLength === 0) break;
    for (let start = 0; start < Math.max(a.byteLength, b.byteLength); start += pageSize) {
      const pgno = first + start / pageSize + 1;
      if (isLockPage(pgno, pageSize)) continue;
      const [pageA, pageB] = [a.subarray(start, start + pageSize), b.subarray(start, start + pageSize)];
      sums[0].update(pageA);
      sums[1].update(pageB);
      if (Buffer.compare(pageA, pageB) === 0) continue;
      differingPages++;
      if (pgnos.length < pgnosMax) pgnos.push(pgno);
    }
    await new Promise((done) => setImmediate(done));
  }
  const checksums = [sums[0].digest(), sums[1].digest()] as const;
  return { isSame: differingPages === 0 && checksums[0] === checksums[1], pgnos, differingPages, checksums };
}

function isLockPage(pgno: number, pageSize: number): boolean {
  return (pgno - 1) * pageSize <= lockByte && lockByte < pgno * pageSize;
}
