/**
 * Builds the first 136 bytes of a wal-index (`-shm`). https://www.sqlite.org/walformat.html, section 2.1. Integers
 * are in the machine's own byte order, except the salts, which are the WAL header's bytes.
 *
 *     header, 48 bytes, twice: at 0 and at 48        checkpoint information, at 96
 *      0  u32 version: 3007000                        96  u32     nBackfill: frames copied into the database
 *      4  u32 unused                                 100  u32 x 5 read marks
 *      8  u32 iChange: counts transactions           120  u8  x 8 lock bytes, never written
 *     12  u8  isInit: 1                              128  u32     nBackfillAttempted
 *     13  u8  checksums of the WAL are big-endian    132  u32     unused
 *     14  u16 page size, 65536 as 1
 *     16  u32 mxFrame: valid, committed frames in the WAL
 *     20  u32 nPage: size of the database in pages
 *     24  u32 x 2 running checksum of the frame mxFrame
 *     32  u8  x 8 salts
 *     40  u32 x 2 checksum of bytes 0..39
 */
import { endianness } from "node:os";
import { requirePageSize } from "./builder.ts";
import { type WalChecksum, walChecksum } from "./checksum.ts";

export const walIndexHeaderBytes = 136;

/** What SQLite writes into a read mark that nobody uses. */
export const readMarkNotUsed = 0xffffffff;

const walIndexVersion = 3007000;

export interface WalIndexOptions {
  readonly pageSize: number;
  /** As the WAL's magic number says. Default false. */
  readonly bigEndianChecksum?: boolean;
  readonly mxFrame: number;
  /** Size of the database in pages as of `mxFrame`. */
  readonly pageCount: number;
  /** Running checksum of the WAL at the end of the frame `mxFrame`. */
  readonly frameChecksum: WalChecksum;
  /** Bytes 16 to 23 of the WAL. */
  readonly salts: Uint8Array;
  /** Counts transactions, by SQLite's own reckoning. Default 1. */
  readonly changeCount?: number;
  /** Frames already in the database file. Default 0. */
  readonly nBackfill?: number;
  /** Frames a checkpoint set out to copy. Default `nBackfill`. */
  readonly nBackfillAttempted?: number;
  /** The five read marks; missing ones are 0 for the first and `readMarkNotUsed` for the others. */
  readonly readMarks?: readonly number[];
}

/** The `walIndexHeaderBytes` bytes at the start of a wal-index, in this machine's byte order. */
export function buildWalIndexHeader(options: WalIndexOptions): Uint8Array<ArrayBuffer> {
  requirePageSize(options.pageSize);
  if (options.salts.length !== 8) throw new RangeError(`the salts are 8 bytes, not ${options.salts.length}`);
  const littleEndian = endianness() === "LE";
  const bytes = new Uint8Array(walIndexHeaderBytes);
  const view = new DataView(bytes.buffer);

  view.setUint32(0, walIndexVersion, littleEndian);
  view.setUint32(8, options.changeCount ?? 1, littleEndian);
  view.setUint8(12, 1);
  view.setUint8(13, options.bigEndianChecksum === true ? 1 : 0);
  view.setUint16(14, options.pageSize === 65536 ? 1 : options.pageSize, littleEndian);
  view.setUint32(16, options.mxFrame, littleEndian);
  view.setUint32(20, options.pageCount, littleEndian);
  view.setUint32(24, options.frameChecksum[0], littleEndian);
  view.setUint32(28, options.frameChecksum[1], littleEndian);
  bytes.set(options.salts, 32);
  const checksum = walChecksum(bytes.subarray(0, 40), !littleEndian);
  view.setUint32(40, checksum[0], littleEndian);
  view.setUint32(44, checksum[1], littleEndian);
  bytes.copyWithin(48, 0, 48);

  const nBackfill = options.nBackfill ?? 0;
  view.setUint32(96, nBackfill, littleEndian);
  for (let i = 0; i < 5; i++) {
    const readMark = options.readMarks?.[i] ?? (i === 0 ? 0 : readMarkNotUsed);
    view.setUint32(100 + i * 4, readMark, littleEndian);
  }
  view.setUint32(128, options.nBackfillAttempted ?? nBackfill, littleEndian);
  return bytes;
}
