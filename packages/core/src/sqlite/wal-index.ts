/**
 * The header of a wal-index, the `-shm` file (https://www.sqlite.org/walformat.html, "WAL-Index Format"). Numbers are
 * in the machine's own byte order; salts are the bytes of the WAL header's.
 *
 *     offset  size  field
 *          0    48  first copy of the header
 *         48    48  second copy; a writer changes the second copy first, so two equal copies are one state
 *         96     4  nBackfill: frames already moved into the database file
 *        100    20  read marks 0 to 4; ffffffff where unused
 *        120     8  lock bytes
 *        128     4  nBackfillAttempted
 *
 * and in each copy:
 *
 *          0     4  version: 3007000
 *         12     1  isInit: 1 once the wal-index was recovered
 *         13     1  bigEndCksum: 1 when the WAL's checksums are big-endian
 *         14     2  page size; 1 for 65536
 *         16     4  mxFrame: number of valid, published frames
 *         20     4  size of the database in pages
 *         24     8  running checksum of frame mxFrame
 *         32     8  salt-1, salt-2
 *         40     8  checksum over the 40 bytes before, words in the machine's order
 */
import { copyBytes } from "../bytes.ts";
import { addNativeWords, type Checksum } from "../wal/checksum.ts";
import type { Salts } from "../wal/header.ts";

/** Bytes of the wal-index that `parseWalIndex` wants. */
export const walIndexHeaderSizeBytes = 136;
const walIndexVersion = 3007000;
/** Of each of the two copies of the header. */
export const walIndexCopySizeBytes = 48;

/** One consistent state of the WAL as its readers and writers see it. */
export interface WalIndexView {
  readonly pageSize: number;
  readonly bigEndianChecksum: boolean;
  /** Number of published frames: the end of the WAL, whatever valid frames lie behind it. */
  readonly mxFrame: number;
  /** Size of the database in pages at mxFrame. */
  readonly pageCount: number;
  /** Running checksum of frame mxFrame: proves every frame up to it. */
  readonly frameChecksum: Readonly<Checksum>;
  readonly salts: Salts;
  /** Frames already moved into the database file. Read after the header, so it can be newer. */
  readonly nBackfill: number;
  /** Read marks 1 to 4 that are set: a snapshot that some reader may use. */
  readonly readMarks: readonly number[];
}

/** Undefined while a writer is in the middle of a change, or before the wal-index was recovered: read again. */
export function parseWalIndex(bytes: Uint8Array): WalIndexView | undefined {
  if (bytes.byteLength < walIndexHeaderSizeBytes) return undefined;
  const copy = copyBytes(bytes.subarray(0, walIndexHeaderSizeBytes));
  const words = new Int32Array(copy.buffer);
  const numbers = new Uint32Array(copy.buffer);
  const wordsPerHeader = walIndexCopySizeBytes / 4;
  for (let word = 0; word < wordsPerHeader; word++) {
    if (words[word] !== words[word + wordsPerHeader]) return undefined;
  }
  const number = (offset: number): number => numbers[offset >>> 2] ?? 0;
  if (number(0) !== walIndexVersion || copy[12] !== 1) return undefined;
  const sum = { s1: 0, s2: 0 };
  addNativeWords(sum, words, 0, 10);
  if (sum.s1 !== (words[10] ?? 0) || sum.s2 !== (words[11] ?? 0)) return undefined;
  const view = new DataView(copy.buffer);
  const storedPageSize = new Uint16Array(copy.buffer)[7] ?? 0;
  return {
    pageSize: storedPageSize === 1 ? 65536 : storedPageSize,
    bigEndianChecksum: copy[13] === 1,
    mxFrame: number(16),
    pageCount: number(20),
    frameChecksum: { s1: words[6] ?? 0, s2: words[7] ?? 0 },
    salts: { salt1: view.getUint32(32), salt2: view.getUint32(36) },
    nBackfill: number(96),
    readMarks: [1, 2, 3, 4].map((mark) => number(100 + 4 * mark)).filter((frame) => frame !== 0xffffffff),
  };
}

/**
 * Whether the first copy of a header, `bytes`, is of the same WAL and the same last commit as `view`. A writer changes
 * this copy last: while it has not, nothing was published.
 */
export function isHeaderOf(view: WalIndexView, bytes: Uint8Array<ArrayBuffer>): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, walIndexCopySizeBytes / 4);
  const salts = new DataView(bytes.buffer, bytes.byteOffset);
  return (
    (words[4] ?? 0) >>> 0 === view.mxFrame &&
    words[6] === view.frameChecksum.s1 &&
    words[7] === view.frameChecksum.s2 &&
    salts.getUint32(32) === view.salts.salt1 &&
    salts.getUint32(36) === view.salts.salt2
  );
}

/** True when the database file holds all the WAL holds: a reader that begins now sits on WAL_READ_LOCK(0). */
export function isBackfilled(view: WalIndexView): boolean {
  return view.nBackfill >= view.mxFrame;
}
