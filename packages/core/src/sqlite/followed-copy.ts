/**
 * A copy of a database that follows another one page by page, while others read it. Written as SQLite writes in WAL
 * mode (wal.c, sqlite3WalFrames): under the write lock, which a connection of ours holds; frames into the WAL behind
 * what is published, made durable; then their page numbers into the wal-index; then its header, second copy first.
 *
 * So readers see all of a transaction or nothing of it, and what is not published when we die is left over: the next
 * transaction is written over it. Frames carry no commit but the last. Readers are never kept waiting, and keep nothing
 * waiting but the checkpoint.
 *
 * Pages of the wal-index are written as a whole, while others look things up in them; so does SQLite itself when it
 * recovers one (walIndexRecover). No bytes change that a reader takes into account: it ignores what is not published.
 */
import { assert } from "../assert.ts";
import { LitestreamError } from "../errors.ts";
import { LocalFile } from "../local-file.ts";
import { addNativeWords, type Checksum } from "../wal/checksum.ts";
import { formatWalHeader, frameEndOffset, frameSizeBytes, type Salts, walFrameHeaderSizeBytes } from "../wal/header.ts";
import { type CheckpointResult, Connection } from "./connection.ts";
import { databaseError, DbFile } from "./db-file.ts";
import { readableWalIndex } from "./readable-wal-index.ts";
import { isBackfilled, walIndexCopySizeBytes, type WalIndexView } from "./wal-index.ts";
import { formatWalIndexHeader, WalIndexRegion, walIndexRegionOf, walIndexRegionSizeBytes } from "./wal-index-writer.ts";

/** Frames that are gathered for one write. */
const bufferSizeBytes = 1024 * 1024;

/** How long others may hold the write lock: nobody but us should want it. */
const lockWaitMs = 5000;

/** Where the WAL of a copy ends: enough to tell whether somebody else wrote. */
export interface CopyEnd {
  readonly salts: Salts;
  /** Frames; 0 where everything is in the database file and the WAL begins anew. */
  readonly mxFrame: number;
  readonly checksum: Readonly<Checksum>;
}

export class FollowedCopy implements Disposable {
  readonly path: string;
  readonly #file: DbFile;
  /** Open for as long as the copy is followed: so nobody else is the last one to close it, and deletes its WAL. */
  readonly #keeper: Connection;
  readonly #wal: LocalFile;

  private constructor(path: string, file: DbFile, keeper: Connection, wal: LocalFile) {
    this.path = path;
    this.#file = file;
    this.#keeper = keeper;
    this.#wal = wal;
  }

  /** @throws LitestreamError DATABASE_MISSING, _INVALID, _BUSY, _UNAVAILABLE, _IN_USE */
  static open(path: string): FollowedCopy {
    using cleanUp = new DisposableStack();
    const file = cleanUp.adopt(DbFile.open(path), (opened) => opened.close());
    if (!file.header.isWal) {
      throw new LitestreamError("DATABASE_INVALID", `${path} is not in WAL mode, and cannot be followed`, {
        path,
        hint: "Somebody changed its journal mode: remove the copy, and let it be restored again.",
      });
    }
    const keeper = cleanUp.use(new Connection(file.realPath, lockWaitMs, "write"));
    keeper.beginRead();
    keeper.rollback();
    file.openWalIndex("r+");
    const wal = cleanUp.use(
      LocalFile.openToWrite(file.walPath, (error, operation) => databaseError(error, operation, path)),
    );
    const copy = new FollowedCopy(path, file, keeper, wal);
    cleanUp.move();
    return copy;
  }

  get pageSize(): number {
    return this.#file.header.pageSize;
  }

  /** False once another file stands at the path. */
  isCurrent(): boolean {
    return this.#file.isCurrent();
  }

  /** Where its WAL ends now. */
  end(): CopyEnd {
    return endOf(readableWalIndex(this.#file, lockWaitMs));
  }

  /** @throws LitestreamError DATABASE_BUSY where another process holds the write lock: somebody writes to the copy */
  begin(): CopyTransaction {
    using cleanUp = new DisposableStack();
    // One of its own for each: the pages that it has seen are old afterwards, and it would not know.
    const writer = cleanUp.use(new Connection(this.#file.realPath, 0, "write"));
    if (!writer.tryBeginImmediate(lockWaitMs)) {
      throw new LitestreamError("DATABASE_BUSY", `${this.path} is locked by another process for writing`, {
        path: this.path,
        hint: "A copy that is followed is to be read only.",
      });
    }
    const transaction = new CopyTransaction(this.#file, this.#wal, writer, this.pageSize);
    cleanUp.move();
    return transaction;
  }

  /** Moves what readers allow into the database file, and begins the WAL anew if nobody reads from it. */
  checkpoint(): CheckpointResult {
    return this.#keeper.checkpointTruncate();
  }

  close(): void {
    this.#wal.close();
    this.#keeper.close();
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

interface PendingCommit {
  /** Its last frame, and the running checksum before that one. */
  readonly frame: number;
  readonly checksumBefore: Readonly<Checksum>;
  readonly pageCount: number;
}

/** Pages that become visible together, or not at all. Holds the write lock until it is disposed of. */
export class CopyTransaction implements Disposable {
  readonly #file: DbFile;
  readonly #wal: LocalFile;
  readonly #writer: Connection;
  readonly #pageSize: number;
  readonly #frameSize: number;
  readonly #salts: Salts;
  /** What was there before. */
  readonly #before: WalIndexView;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array;
  readonly #view: DataView;
  #bufferedFrames = 0;
  /** Frames in the WAL, and those that wait in the buffer. */
  #frames: number;
  readonly #checksum: Checksum;
  /** Before the last frame. */
  #checksumBefore: Readonly<Checksum>;
  #commit: PendingCommit | undefined;
  #region: WalIndexRegion | undefined;

  constructor(file: DbFile, wal: LocalFile, writer: Connection, pageSize: number) {
    this.#file = file;
    this.#wal = wal;
    this.#writer = writer;
    this.#pageSize = pageSize;
    this.#frameSize = frameSizeBytes(pageSize);
    this.#before = file.readWalIndex();
    const { mxFrame, frameChecksum, salts, bigEndianChecksum } = this.#before;
    if (mxFrame > 0 && bigEndianChecksum) {
      throw new LitestreamError("DATABASE_UNAVAILABLE", `the WAL of ${file.path} was written on another machine`, {
        path: file.path,
        hint: "Open the copy once with SQLite, so that it is recovered, or remove it and let it be restored again.",
      });
    }
    this.#frames = mxFrame;
    this.#salts = mxFrame === 0 && salts.salt1 === 0 && salts.salt2 === 0 ? randomSalts() : salts;
    this.#checksum = { ...frameChecksum };
    this.#checksumBefore = frameChecksum;
    const frames = Math.max(1, Math.floor(bufferSizeBytes / this.#frameSize));
    this.#buffer = new Uint8Array(frames * this.#frameSize);
    this.#words = new Int32Array(this.#buffer.buffer);
    this.#view = new DataView(this.#buffer.buffer);
    if (mxFrame === 0) this.#beginWal();
  }

  /** Where the WAL ended before. */
  get before(): CopyEnd {
    return endOf(this.#before);
  }

  /** True where the database file alone is the state before: then its pages can be compared. */
  get isInFile(): boolean {
    return isBackfilled(this.#before);
  }

  /** Reads the database file. @returns bytes read */
  readFileAt(buffer: Uint8Array, offset: number): number {
    return this.#file.readAt(buffer, offset);
  }

  get fileSizeBytes(): number {
    return this.#file.sizeBytes;
  }

  /** Frames that were appended. */
  get frameCount(): number {
    return this.#frames - this.#before.mxFrame;
  }

  append(pgno: number, page: Uint8Array): void {
    assert(page.byteLength === this.#pageSize, "a copy keeps its page size");
    if ((this.#bufferedFrames + 1) * this.#frameSize > this.#buffer.byteLength) this.#flush();
    const start = this.#bufferedFrames * this.#frameSize;
    this.#checksumBefore = { ...this.#checksum };
    this.#buffer.set(page, start + walFrameHeaderSizeBytes);
    this.#formatFrameHeader(start, pgno, 0);
    this.#bufferedFrames++;
    this.#frames++;
    this.#index(this.#frames, pgno);
  }

  /** A transaction of the followed database ends with what was appended last; it has so many pages then. */
  markCommit(pageCount: number): void {
    assert(this.frameCount > 0, "a commit has a frame");
    this.#commit = { frame: this.#frames, pageCount, checksumBefore: this.#checksumBefore };
  }

  /**
   * Makes everything up to the last commit durable and ready to be published; what was appended after it is dropped.
   * @returns where the WAL will end; undefined where no commit was appended
   */
  prepare(): CopyEnd | undefined {
    this.#flush();
    const commit = this.#commit;
    if (commit === undefined) return undefined;
    const offset = frameEndOffset(commit.frame - 1, this.#pageSize);
    const frame = this.#buffer.subarray(0, this.#frameSize);
    const read = this.#wal.readAt(frame, offset);
    assert(read === frame.byteLength, "the frame is in the WAL");
    this.#checksum.s1 = commit.checksumBefore.s1;
    this.#checksum.s2 = commit.checksumBefore.s2;
    this.#formatFrameHeader(0, this.#view.getUint32(0), commit.pageCount);
    this.#wal.writeAt(frame, offset);
    this.#wal.sync();
    return { salts: this.#salts, mxFrame: commit.frame, checksum: { ...this.#checksum } };
  }

  /** Lets readers see what was prepared. @returns frames */
  publish(): number {
    const commit = this.#commit;
    assert(commit !== undefined, "what is published was prepared");
    this.#writeRegion();
    const before = new Uint8Array(walIndexCopySizeBytes);
    this.#file.readWalIndexAt(before, 0);
    const header = formatWalIndexHeader(before, {
      pageSize: this.#pageSize,
      mxFrame: commit.frame,
      pageCount: commit.pageCount,
      frameChecksum: this.#checksum,
      salts: this.#salts,
    });
    this.#file.writeWalIndexAt(header, walIndexCopySizeBytes);
    this.#file.writeWalIndexAt(header, 0);
    return commit.frame - this.#before.mxFrame;
  }

  /** Gives the write lock back. What was not published is left over in the WAL, and is no part of the database. */
  [Symbol.dispose](): void {
    this.#writer.close();
  }

  #formatFrameHeader(start: number, pgno: number, commitPageCount: number): void {
    const view = this.#view;
    view.setUint32(start, pgno);
    view.setUint32(start + 4, commitPageCount);
    view.setUint32(start + 8, this.#salts.salt1);
    view.setUint32(start + 12, this.#salts.salt2);
    const word = start >>> 2;
    const pageWord = word + walFrameHeaderSizeBytes / 4;
    addNativeWords(this.#checksum, this.#words, word, word + 2);
    addNativeWords(this.#checksum, this.#words, pageWord, pageWord + this.#pageSize / 4);
    view.setInt32(start + 16, this.#checksum.s1);
    view.setInt32(start + 20, this.#checksum.s2);
  }

  /** Everything before is in the database file: what the WAL holds of an earlier time is of no use any more. */
  #beginWal(): void {
    const header = { pageSize: this.#pageSize, bigEndianChecksum: false, checkpointSequence: 0, salts: this.#salts };
    const bytes = formatWalHeader({ ...header, checksum: { s1: 0, s2: 0 } });
    const sum = { s1: 0, s2: 0 };
    addNativeWords(sum, new Int32Array(Uint8Array.from(bytes).buffer), 0, 6);
    this.#wal.writeAt(formatWalHeader({ ...header, checksum: sum }), 0);
    this.#checksum.s1 = sum.s1;
    this.#checksum.s2 = sum.s2;
  }

  #flush(): void {
    const bytes = this.#buffer.subarray(0, this.#bufferedFrames * this.#frameSize);
    if (bytes.byteLength === 0) return;
    this.#wal.writeAt(bytes, frameEndOffset(this.#frames - this.#bufferedFrames, this.#pageSize));
    this.#bufferedFrames = 0;
  }

  #index(frame: number, pgno: number): void {
    const number = walIndexRegionOf(frame);
    if (this.#region?.number !== number) {
      this.#writeRegion();
      this.#region = this.#loadRegion(number, frame);
    }
    this.#region.append(frame, pgno);
  }

  #loadRegion(number: number, frame: number): WalIndexRegion {
    const bytes = new Uint8Array(walIndexRegionSizeBytes);
    this.#file.readWalIndexAt(bytes, number * walIndexRegionSizeBytes);
    const region = new WalIndexRegion(number, bytes);
    region.keepUpTo(frame - 1);
    return region;
  }

  #writeRegion(): void {
    if (this.#region === undefined) return;
    const { number, offset, content } = this.#region;
    this.#file.writeWalIndexAt(content, number * walIndexRegionSizeBytes + offset);
  }
}

function endOf({ salts, mxFrame, frameChecksum }: WalIndexView): CopyEnd {
  return { salts, mxFrame, checksum: frameChecksum };
}

function randomSalts(): Salts {
  const [salt1 = 1, salt2 = 1] = crypto.getRandomValues(new Uint32Array(2));
  return { salt1, salt2 };
}
