import { closeSync, fstatSync, openSync } from "node:fs";
import type { WalChecksum } from "./checksum.ts";
import { readUpTo } from "./file-bytes.ts";
import { parseWalHeader, type WalHeader, walHeaderBytes } from "./header.ts";
import { type FrameChunk, SoundFrames, type WalEnd, walFrameHeaderBytes } from "./sound-frames.ts";

/** One sound frame of a WAL. */
export interface WalFrame {
  /** 1 for the first frame of the file, as `mxFrame` counts. */
  readonly frame: number;
  /** Offset in bytes of the frame header. */
  readonly offset: number;
  readonly pgno: number;
  /** Size of the database in pages after the commit that this frame ends; 0 if it ends none. */
  readonly commitPageCount: number;
  /** Running checksum at the end of this frame. */
  readonly checksum: WalChecksum;
  /** The page, in memory that the reader uses again: valid until its next frame. */
  readonly page: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a WAL file from its header on, frame by frame for as long as SQLite's recovery would accept them, committed or
 * not, and then says why it ended. Holds a megabyte of the file at a time. Reading a WAL does no harm to connections
 * that are open in this process: they hold their locks on the database and the `-shm`.
 *
 *     using reader = new WalReader("app.db-wal");
 *     for (const frame of reader) console.log(frame.offset, frame.pgno);
 *     console.log(reader.end?.reason);
 */
export class WalReader implements Disposable, Iterable<WalFrame> {
  readonly path: string;
  /** Undefined if there is none, or none that is sound; `end` says what is there instead. */
  readonly header: WalHeader | undefined;
  readonly #fd: number;
  readonly #sound: SoundFrames | undefined;
  readonly #headerEnd: WalEnd | undefined;
  #chunk: FrameChunk | undefined;
  #nextInChunk = 0;
  #isClosed = false;

  /** @throws the file system's error if the file cannot be opened or read. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "r");
    try {
      const header = readHeader(this.#fd);
      if ("reason" in header) this.#headerEnd = header;
      else {
        this.header = header;
        this.#sound = new SoundFrames(this.#fd, header);
      }
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Why there are no more frames; undefined until `next` has returned the last one and then nothing. */
  get end(): WalEnd | undefined {
    return this.#chunk === undefined ? (this.#headerEnd ?? this.#sound?.end) : undefined;
  }

  /** Size of the file in bytes, now. */
  get sizeBytes(): number {
    return fstatSync(this.#fd).size;
  }

  /** The next frame; undefined at the end. */
  next(): WalFrame | undefined {
    if (this.header === undefined || this.#sound === undefined) return undefined;
    if (this.#chunk === undefined || this.#nextInChunk === this.#chunk.frames) {
      this.#chunk = this.#sound.next();
      this.#nextInChunk = 0;
      if (this.#chunk === undefined) return undefined;
    }
    const { bytes, firstFrame, offset } = this.#chunk;
    const at = this.#nextInChunk * (walFrameHeaderBytes + this.header.pageSize);
    const view = new DataView(bytes.buffer, at, walFrameHeaderBytes);
    const pageAt = at + walFrameHeaderBytes;
    const frame = firstFrame + this.#nextInChunk;
    this.#nextInChunk++;
    return {
      frame,
      offset: offset + at,
      pgno: view.getUint32(0),
      commitPageCount: view.getUint32(4),
      checksum: [view.getUint32(16), view.getUint32(20)],
      page: bytes.subarray(pageAt, pageAt + this.header.pageSize),
    };
  }

  *[Symbol.iterator](): Generator<WalFrame, void, undefined> {
    for (let frame = this.next(); frame !== undefined; frame = this.next()) yield frame;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }
}

/** A WAL file as SQLite's recovery would find it, and what lies behind. */
export interface WalSummary extends WalHeader {
  readonly sizeBytes: number;
  /** Sound frames, committed or not. */
  readonly frames: number;
  /** Number of the last commit frame among them; 0 when there is none. */
  readonly mxFrame: number;
  /** End in bytes of the frame `mxFrame`; without one, the end of the header. */
  readonly committedBytes: number;
  /** Size of the database in pages as of `mxFrame`; 0 when that is 0. */
  readonly pageCount: number;
  /** Running checksum at the end of the frame `mxFrame`; without one, the header's. */
  readonly frameChecksum: WalChecksum;
  /**
   * Whole frames of the file behind the sound ones: of an older WAL where `end.reason` is `salt`, damaged from the
   * first of them on where it is another.
   */
  readonly staleFrames: number;
  /** Why the sound frames end. */
  readonly end: WalEnd;
}

/**
 * Reads a whole WAL file, in bounded memory, and sums it up.
 *
 * @throws Error naming path, offset and problem if the file does not begin with a WAL's header.
 */
export function readWalSummary(path: string): WalSummary {
  using reader = new WalReader(path);
  const header = headerOf(reader);
  let frames = 0;
  let mxFrame = 0;
  let pageCount = 0;
  let frameChecksum = header.checksum;
  for (const { frame, commitPageCount, checksum } of reader) {
    frames = frame;
    if (commitPageCount === 0) continue;
    mxFrame = frame;
    pageCount = commitPageCount;
    frameChecksum = checksum;
  }
  const { end, sizeBytes } = reader;
  if (end === undefined) throw new Error(`${path}: reading stopped at frame ${frames} without a reason`);
  const frameBytes = walFrameHeaderBytes + header.pageSize;
  return {
    ...header,
    sizeBytes,
    frames,
    mxFrame,
    committedBytes: walHeaderBytes + mxFrame * frameBytes,
    pageCount,
    frameChecksum,
    staleFrames: Math.floor((sizeBytes - walHeaderBytes) / frameBytes) - frames,
    end,
  };
}

/** A commit in a WAL. */
export interface WalCommit {
  /** Number of its commit frame, as `mxFrame` counts. */
  readonly frame: number;
  /** End in bytes of its commit frame: the length to which the WAL may be cut so that this is its last commit. */
  readonly offset: number;
  /** Size of the database in pages after it. */
  readonly pageCount: number;
}

/**
 * The commits that SQLite's recovery would find, in order, in bounded memory.
 *
 * @throws Error naming path, offset and problem if the file does not begin with a WAL's header.
 */
export function* walCommits(path: string): Generator<WalCommit, void, undefined> {
  using reader = new WalReader(path);
  const { pageSize } = headerOf(reader);
  for (const { frame, offset, commitPageCount } of reader) {
    if (commitPageCount === 0) continue;
    yield { frame, offset: offset + walFrameHeaderBytes + pageSize, pageCount: commitPageCount };
  }
}

/** @throws Error naming path, offset and problem if there is none. */
export function headerOf(reader: WalReader): WalHeader {
  if (reader.header !== undefined) return reader.header;
  throw notAWal(reader.path, reader.end);
}

export function notAWal(path: string, end: WalEnd | undefined): Error {
  const where = end === undefined ? "" : ` at offset ${end.offset}: ${end.detail}`;
  return new Error(`${path} is not a WAL${where}; give the path of a database's -wal file`);
}

/** The header at the start of the file, or what is there instead. */
export function readHeader(fd: number): WalHeader | WalEnd {
  const bytes = new Uint8Array(walHeaderBytes);
  const got = readUpTo(fd, bytes, 0);
  if (got === 0) return { reason: "end", offset: 0, detail: "the file is empty" };
  if (got < walHeaderBytes) return { reason: "short", offset: 0, detail: `the file ends ${got} bytes into the header` };
  const header = parseWalHeader(bytes);
  if ("problem" in header) return { reason: "header", offset: header.offset, detail: header.problem };
  return header;
}
