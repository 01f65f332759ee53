/**
 * Builds SQLite write-ahead logs byte by byte, valid unless asked otherwise. https://www.sqlite.org/walformat.html,
 * section 4. The layouts are in header.ts and sound-frames.ts.
 */
import { SeededRandom } from "../seeded-random.ts";
import { type WalChecksum, walChecksum } from "./checksum.ts";
import { isPageSize, walHeaderBytes, writeWalHeader } from "./header.ts";
import { walFrameHeaderBytes } from "./sound-frames.ts";

/** One page in a WAL. */
export interface WalPage {
  /** Number of the page in the database, counting from 1. */
  readonly pgno: number;
  /** Its bytes, exactly one page; or a seed from which they are made. Without it the seed is the frame's number. */
  readonly data?: Uint8Array | number;
}

/** Pages that were committed together. */
export interface WalTransaction {
  readonly pages: readonly WalPage[];
  /**
   * Size of the database in pages after this transaction; written into the last page's frame, which makes it a
   * commit.
   */
  readonly commitPageCount: number;
}

/** Frames are numbered from 1 throughout, as SQLite's `mxFrame` counts them. */
export interface WalOptions {
  /** A power of two from 512 to 65536. */
  readonly pageSize: number;
  /**
   * Byte order in which the checksum reads its input. SQLite writes its machine's own, and reads both. Default
   * false.
   */
  readonly bigEndianChecksum?: boolean;
  /** Number of checkpoints so far: a counter in the header that SQLite does not check. Default 0. */
  readonly checkpointSequence?: number;
  readonly salt1: number;
  readonly salt2: number;
  readonly transactions: readonly WalTransaction[];
  /**
   * Transactions behind those, valid and committed in the file but never published in the wal-index: their writer was
   * killed before it could. A wal-index that outlived it says that they never happened; recovery takes them.
   */
  readonly unpublished?: readonly WalTransaction[];
  /** A transaction at the end without its commit frame, as a writer leaves it that is still at work or was killed. */
  readonly uncommitted?: readonly WalPage[];
  /**
   * The same file before the WAL was restarted: its frames that lie behind the end of this one stay, as in a real file.
   * It may have a `previous` of its own.
   */
  readonly previous?: Omit<WalOptions, "pageSize">;
  /** Short for a `previous` with salt-1 one lower that leaves this many frames behind the end. */
  readonly staleFrames?: number;
  /** The checksum stored in this frame is wrong; the frames after it go on from the right one. */
  readonly wrongChecksumAtFrame?: number;
  /** The salt-2 stored in this frame is wrong; checksums do not cover salts, so all of them stay right. */
  readonly wrongSaltAtFrame?: number;
  /** The checksum stored in the header is wrong; the frames go on from the right one. */
  readonly wrongHeaderChecksum?: boolean;
  /** Wrong header fields under a right checksum. `pageSize` here changes what the header says, not the frames. */
  readonly header?: { readonly magic?: number; readonly formatVersion?: number; readonly pageSize?: number };
  /** Bytes cut off the end of the file, so that the last frame is torn. */
  readonly cutBytes?: number;
}

/** Where one frame lies in a built WAL. */
export interface BuiltFrame {
  /** 1 for the first frame of the file. */
  readonly frame: number;
  /** Offset in bytes of the frame header. */
  readonly offset: number;
  readonly pgno: number;
  /** 0 unless this is a commit frame. */
  readonly commitPageCount: number;
  /** The right running checksum at the end of this frame, whatever was stored. */
  readonly checksum: WalChecksum;
}

/**
 * A built WAL and where it ends. Together with `buildWalIndex` it is what a process finds that comes while others have
 * the database open; alone, what SQLite's recovery makes of it, which differs only where there is something
 * `unpublished`.
 */
export interface BuiltWal {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pageSize: number;
  readonly bigEndianChecksum: boolean;
  /** The frames of this WAL's own salts, damaged and uncommitted ones too; not the stale ones behind them. */
  readonly frames: readonly BuiltFrame[];
  /** Number of the last published commit frame before which nothing is wrong; 0 when there is none. */
  readonly mxFrame: number;
  /** Frames from the first on that are sound: published, unpublished and uncommitted, up to the first that is not. */
  readonly soundFrames: number;
  /** What `mxFrame` is after SQLite's recovery: the last sound commit frame, published or not. */
  readonly recoverableFrames: number;
  /** Page numbers of the frames 1 to `mxFrame`, for `buildWalIndex`. */
  readonly pgnos: readonly number[];
  /** End in bytes of the frame `mxFrame`; without one, the end of the header. */
  readonly committedBytes: number;
  /** Size of the database in pages as of `mxFrame`, 0 when that is 0. */
  readonly pageCount: number;
  /** Running checksum at the end of the frame `mxFrame`; without one, the header's. */
  readonly frameChecksum: WalChecksum;
  /** Both salts as the eight bytes of the file: a wal-index holds them so. */
  readonly salts: Uint8Array<ArrayBuffer>;
}

/** The bytes of a WAL. */
export function buildWal(options: WalOptions): Uint8Array<ArrayBuffer> {
  return describeWal(options).bytes;
}

/** The bytes of a WAL, where each frame lies in them, and where SQLite finds its end. */
export function describeWal(options: WalOptions): BuiltWal {
  const { pageSize, salt1, salt2 } = options;
  requirePageSize(pageSize);
  const bigEndian = options.bigEndianChecksum ?? false;
  const frameBytes = walFrameHeaderBytes + pageSize;
  const planned = planFrames(options);
  for (const frame of [options.wrongChecksumAtFrame, options.wrongSaltAtFrame]) {
    if (frame !== undefined && (!Number.isInteger(frame) || frame < 1 || frame > planned.length)) {
      throw new RangeError(`frame ${frame} cannot be damaged: the WAL has frames 1 to ${planned.length}`);
    }
  }

  const before = bytesBefore(options, planned.length);
  const ownBytes = walHeaderBytes + planned.length * frameBytes;
  const bytes = new Uint8Array(Math.max(ownBytes, before.length));
  bytes.set(before);
  const view = new DataView(bytes.buffer);

  const { checkpointSequence = 0 } = options;
  const headerFields = { pageSize, bigEndianChecksum: bigEndian, checkpointSequence, salt1, salt2 };
  const headerChecksum = writeWalHeader(bytes, { ...headerFields, ...options.header });
  if (options.wrongHeaderChecksum === true) writeChecksum(view, 24, headerChecksum, true);

  let checksum = headerChecksum;
  const frames = planned.map(({ pgno, data, commitPageCount }, i): BuiltFrame => {
    const frame = i + 1;
    const offset = walHeaderBytes + i * frameBytes;
    const pageOffset = offset + walFrameHeaderBytes;
    view.setUint32(offset, pgno);
    view.setUint32(offset + 4, commitPageCount);
    view.setUint32(offset + 8, salt1);
    view.setUint32(offset + 12, frame === options.wrongSaltAtFrame ? salt2 ^ 1 : salt2);
    bytes.set(pageBytes(pgno, data ?? frame, pageSize), pageOffset);
    checksum = walChecksum(bytes.subarray(offset, offset + 8), bigEndian, checksum);
    checksum = walChecksum(bytes.subarray(pageOffset, pageOffset + pageSize), bigEndian, checksum);
    writeChecksum(view, offset + 16, checksum, frame === options.wrongChecksumAtFrame);
    return { frame, offset, pgno, commitPageCount, checksum };
  });

  const size = bytes.length - (options.cutBytes ?? 0);
  if (size < 0) throw new RangeError(`${options.cutBytes} bytes cannot be cut off ${bytes.length}`);
  const soundFrames = countSoundFrames(options, frames, Math.floor((size - walHeaderBytes) / frameBytes));
  const sound = frames.slice(0, soundFrames);
  const publishedFrames = options.transactions.reduce((sum, { pages }) => sum + pages.length, 0);
  const last = sound.slice(0, publishedFrames).findLast((frame) => frame.commitPageCount > 0);
  const mxFrame = last?.frame ?? 0;
  return {
    bytes: bytes.slice(0, size),
    pageSize,
    bigEndianChecksum: bigEndian,
    frames,
    mxFrame,
    soundFrames,
    recoverableFrames: sound.findLast((frame) => frame.commitPageCount > 0)?.frame ?? 0,
    pgnos: frames.slice(0, mxFrame).map((frame) => frame.pgno),
    committedBytes: walHeaderBytes + mxFrame * frameBytes,
    pageCount: last?.commitPageCount ?? 0,
    frameChecksum: last?.checksum ?? headerChecksum,
    salts: bytes.slice(16, 24),
  };
}

/**
 * The `pageSize` bytes that a seed stands for: page `pgno` of a WAL whose page has `data: seed`. Not a valid b-tree
 * page.
 */
export function seededPage(pgno: number, seed: number, pageSize: number): Uint8Array<ArrayBuffer> {
  return new SeededRandom(seed, pgno).fill(new Uint8Array(pageSize));
}

function planFrames(options: WalOptions): (WalPage & { readonly commitPageCount: number })[] {
  const committed = [...options.transactions, ...(options.unpublished ?? [])].flatMap(({ pages, commitPageCount }) => {
    if (pages.length === 0) throw new RangeError("a transaction in a WAL has at least one page: its commit frame");
    return pages.map((page, i) => ({ ...page, commitPageCount: i === pages.length - 1 ? commitPageCount : 0 }));
  });
  return [...committed, ...(options.uncommitted ?? []).map((page) => ({ ...page, commitPageCount: 0 }))];
}

function bytesBefore(options: WalOptions, frames: number): Uint8Array {
  if (options.previous !== undefined) return buildWal({ ...options.previous, pageSize: options.pageSize });
  if (options.staleFrames === undefined || options.staleFrames === 0) return new Uint8Array();
  const pages = Array.from({ length: frames + options.staleFrames }, (_, i) => ({ pgno: i + 1, data: ~i }));
  return buildWal({
    pageSize: options.pageSize,
    bigEndianChecksum: options.bigEndianChecksum ?? false,
    checkpointSequence: ((options.checkpointSequence ?? 0) - 1) >>> 0,
    salt1: (options.salt1 - 1) >>> 0,
    salt2: ~options.salt2 >>> 0,
    transactions: pages.map((page) => ({ pages: [page], commitPageCount: pages.length })),
  });
}

/** Frames from the first on that a reader can accept: up to the first one that is damaged, torn or of no page. */
function countSoundFrames(options: WalOptions, frames: readonly BuiltFrame[], framesInFile: number): number {
  const headerIsSound =
    framesInFile >= 0 && options.wrongHeaderChecksum !== true && Object.keys(options.header ?? {}).length === 0;
  if (!headerIsSound) return 0;
  const { wrongChecksumAtFrame = Infinity, wrongSaltAtFrame = Infinity } = options;
  const { frame: withoutPage = Infinity } = frames.find(({ pgno }) => pgno === 0) ?? {};
  return Math.min(frames.length, framesInFile, wrongChecksumAtFrame - 1, wrongSaltAtFrame - 1, withoutPage - 1);
}

function pageBytes(pgno: number, data: Uint8Array | number, pageSize: number): Uint8Array {
  if (typeof data === "number") return seededPage(pgno, data, pageSize);
  if (data.length === pageSize) return data;
  throw new RangeError(`page ${pgno} has ${data.length} bytes in a WAL of ${pageSize}-byte pages`);
}

function writeChecksum(view: DataView, offset: number, checksum: WalChecksum, wrong: boolean): void {
  view.setUint32(offset, wrong ? checksum[0] ^ 1 : checksum[0]);
  view.setUint32(offset + 4, checksum[1]);
}

export function requirePageSize(pageSize: number): void {
  if (isPageSize(pageSize)) return;
  throw new RangeError(`a page size is a power of two from 512 to 65536, not ${pageSize}`);
}
