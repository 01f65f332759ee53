/**
 * Builds wal-indexes (`-shm`). https://www.sqlite.org/walformat.html, section 2. Integers are in the machine's own
 * byte order, except the salts, which are the WAL header's bytes. A wal-index is a number of blocks of 32 KiB:
 *
 *     first block                                    every other
 *         0  header, 136 bytes                           0  u32 x 4096 page numbers
 *       136  u32 x 4062 page numbers                 16384  u16 x 8192 hash table
 *     16384  u16 x 8192 hash table
 *
 * A page number stands for a frame, in the order of the frames. A slot of the hash table holds the number, from 1, of
 * an entry among its own block's page numbers, or 0; the entry for page P lies in slot P * 383 mod 8192 or, if that is
 * taken, in the next that is free. The header:
 *
 *     two copies, of 48 bytes, at 0 and at 48        checkpoint information, at 96
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
export const walIndexBlockBytes = 32768;

/** What SQLite writes into a read mark that nobody uses. */
export const readMarkNotUsed = 0xffffffff;

const walIndexVersion = 3007000;

const hashSlots = 8192;
const hashOffset: number = walIndexBlockBytes - 2 * hashSlots;
const entriesInBlock: number = hashOffset / 4;
const entriesInFirstBlock: number = entriesInBlock - walIndexHeaderBytes / 4;
const hashFactor = 383;

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

export interface WholeWalIndexOptions extends WalIndexOptions {
  /**
   * Page numbers of the WAL's frames from the first on, at least `mxFrame`. Those behind are of frames that no commit
   * follows: a writer that is at work leaves such entries, and so does recovery.
   */
  readonly pgnos: readonly number[] | Uint32Array;
}

/**
 * A whole wal-index, in this machine's byte order, as long as its frames need: a multiple of 32 KiB. What `describeWal`
 * returns are options for it. SQLite believes a wal-index only while a process has the database open, and makes it anew
 * from the WAL otherwise.
 *
 * With `{ changeCount: 0, nBackfillAttempted: mxFrame, readMarks: [0, mxFrame] }`, and the page numbers of all sound
 * frames, these are the bytes that recovery leaves of a WAL with at least one commit.
 *
 * @throws RangeError if there are fewer page numbers than frames.
 */
export function buildWalIndex(options: WholeWalIndexOptions): Uint8Array<ArrayBuffer> {
  const { pgnos, mxFrame } = options;
  if (pgnos.length < mxFrame) {
    throw new RangeError(`a wal-index of ${mxFrame} frames needs the page number of each, not of ${pgnos.length}`);
  }
  const blocks = 1 + Math.max(0, Math.ceil((pgnos.length - entriesInFirstBlock) / entriesInBlock));
  const bytes = new Uint8Array(blocks * walIndexBlockBytes);
  bytes.set(buildWalIndexHeader(options));
  let done = 0;
  for (let block = 0; block < blocks; block++) {
    const blockOffset = block * walIndexBlockBytes;
    const entries = block === 0 ? entriesInFirstBlock : entriesInBlock;
    const entriesOffset = blockOffset + hashOffset - entries * 4;
    fillBlock(
      new Uint32Array(bytes.buffer, entriesOffset, entries),
      new Uint16Array(bytes.buffer, blockOffset + hashOffset, hashSlots),
      pgnos.slice(done, done + entries),
    );
    done += entries;
  }
  return bytes;
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

function fillBlock(entries: Uint32Array, slots: Uint16Array, pgnos: readonly number[] | Uint32Array): void {
  entries.set(pgnos);
  pgnos.forEach((pgno, i) => {
    let slot = (pgno * hashFactor) % hashSlots;
    while (slots[slot] !== 0) slot = (slot + 1) % hashSlots;
    slots[slot] = i + 1;
  });
}
