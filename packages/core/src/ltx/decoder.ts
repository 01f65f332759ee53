import { assert } from "../assert.ts";
import { ChunkReader } from "../chunk-reader.ts";
import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import { decodeBlock } from "../lz4/block.ts";
import { napiPrefixSizeBytes } from "../lz4/frame-format.ts";
import { decompressLz4 } from "../lz4/frame-reader.ts";
import { releaseBuffer } from "../release-buffer.ts";
import { xxHash32 } from "../lz4/xxhash32.ts";
import { Crc64, joinHalves } from "./crc64.ts";
import { checksumFlag, isWholeDatabase, type LtxHeader, ltxHeaderSizeBytes, parseLtxHeader } from "./header.ts";
import { blockFlags, blockSizeBytesMaxOf, frameFlags, lockPgno, nextPgno, pageHeaderSizeBytes } from "./page.ts";
import { FrameCutter, singleBlockOf } from "./page-frame.ts";
import { ExpectedPageIndex } from "./page-index.ts";
import {
  fileChecksumSizeBytes,
  type LtxTrailer,
  parseLtxTrailer,
  storedChecksum,
  trailerSizeBytes,
} from "./trailer.ts";
import { formatTxid, type Txid } from "./txid.ts";

const damagedHint =
  "Restore what other files of the replica cover, restore from another replica, or put an undamaged copy of this file" +
  " in its place.";
const blockSizeFieldBytes = 4;
const indexSizeFieldBytes = 8;
const emptyHistory = new Uint8Array(0);

/** A page of the database. Its memory is taken away when the next page is asked for. */
export interface LtxPage {
  readonly pgno: number;
  readonly data: Uint8Array;
}

export interface LtxDecoderOptions {
  /** Names the file in errors. */
  readonly path: string;
  /** The transactions that the file's name promises; the header's must be the same. */
  readonly expected?: { readonly minTxid: Txid; readonly maxTxid: Txid };
}

/**
 * Reads an LTX file (docs/formats/ltx.md) from its first byte to its last: the header, then its pages one by one, then,
 * in place of a page after the last, the proof: page index, checksums, and that nothing follows. **What is given out
 * before that is not yet proven.** Any change of a byte fails, or leaves header, pages and trailer as they were.
 *
 * Checked as soon as they can be: the header against itself and the file's name; that pages ascend, lie inside the
 * database and are not the lock page; that a file from transaction 1 on holds every page.
 *
 * Memory: one page, stored and uncompressed, whatever the file says; and the chunk at hand.
 *
 *     await using decoder = await LtxDecoder.open(content, { path });
 *     for (let page = await decoder.nextPage(); page !== undefined; page = await decoder.nextPage()) …
 */
export class LtxDecoder implements AsyncDisposable {
  readonly header: LtxHeader;
  readonly #source: ChunkReader;
  readonly #path: string;
  readonly #isWhole: boolean;
  readonly #lockPgno: number;
  readonly #fileCrc: Crc64 = new Crc64();
  readonly #index: ExpectedPageIndex = new ExpectedPageIndex();
  readonly #field: Buffer = Buffer.allocUnsafeSlow(pageHeaderSizeBytes + indexSizeFieldBytes + trailerSizeBytes);
  /** A block, after the room that its decoder needs. */
  readonly #stored: Buffer;
  #frames: FrameCutter | undefined;
  #page: Buffer | undefined;
  #pgno = 0;
  #databaseHigh = 0;
  #databaseLow = 0;
  #trailer: LtxTrailer | undefined;
  #failed = false;

  private constructor(source: ChunkReader, path: string, headerBytes: Uint8Array, header: LtxHeader) {
    this.#source = source;
    this.#path = path;
    this.header = header;
    this.#isWhole = isWholeDatabase(header);
    this.#lockPgno = lockPgno(header.pageSize);
    this.#stored = Buffer.allocUnsafeSlow(napiPrefixSizeBytes + blockSizeBytesMaxOf(header.pageSize));
    this.#fileCrc.update(headerBytes);
  }

  /**
   * Reads the header.
   * @throws LitestreamError BACKUP_DAMAGED, with the offset in the file of what is wrong, here and from `nextPage`.
   * An error of `content` comes through as it is.
   */
  static async open(content: AsyncIterable<Uint8Array>, options: LtxDecoderOptions): Promise<LtxDecoder> {
    const source = new ChunkReader(content);
    try {
      const bytes = new Uint8Array(ltxHeaderSizeBytes);
      const sizeBytes = await source.readInto(bytes);
      const header = parseHeader(bytes.subarray(0, sizeBytes), options);
      return new LtxDecoder(source, options.path, bytes, header);
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** What the file ends with; undefined until all of the file is proven. */
  get trailer(): LtxTrailer | undefined {
    return this.#trailer;
  }

  /** @returns undefined after the last page: then the file is proven to be whole and undamaged */
  async nextPage(): Promise<LtxPage | undefined> {
    assert(!this.#failed, "nothing is read from a file that was found damaged");
    if (this.#trailer !== undefined) return undefined;
    this.#releasePage();
    try {
      return await this.#readPage();
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** Ends reading, before the end too. */
  async close(): Promise<void> {
    this.#releasePage();
    await this.#source.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #readPage(): Promise<LtxPage | undefined> {
    const offset = this.#source.offset;
    const header = await this.#read(pageHeaderSizeBytes, "the header of a page");
    this.#fileCrc.update(header);
    const pgno = header.readUInt32BE(0);
    const flags = header.readUInt16BE(4);
    if (pgno === 0 && flags === 0) {
      await this.#readEnd(offset);
      return undefined;
    }
    this.#requireInOrder(pgno, offset);
    if (flags !== blockFlags && flags !== frameFlags) {
      throw this.#damaged(offset, `the flags of page ${pgno} are not known: ${flags}`);
    }
    const data = flags === blockFlags ? await this.#readBlock() : await this.#readFrame(pgno);
    this.#page = data;
    if (data.byteLength !== this.header.pageSize) {
      throw this.#damaged(offset, `page ${pgno} has ${data.byteLength} bytes, and not ${this.header.pageSize}`);
    }
    this.#fileCrc.update(data);
    if (this.#isWhole && this.header.hasChecksums) this.#addToDatabaseChecksum(header.subarray(0, 4), data);
    this.#index.add(pgno, offset, this.#source.offset - offset);
    this.#pgno = pgno;
    return { pgno, data };
  }

  #requireInOrder(pgno: number, offset: number): void {
    const { commit, pageSize } = this.header;
    if (pgno > commit) throw this.#damaged(offset, `page ${pgno} lies behind the end of the database, page ${commit}`);
    if (pgno === this.#lockPgno) throw this.#damaged(offset, `page ${pgno} is the lock page, which is never stored`);
    if (pgno <= this.#pgno) throw this.#damaged(offset, `page ${pgno} comes after page ${this.#pgno}`);
    if (this.#isWhole && pgno !== nextPgno(this.#pgno, pageSize)) {
      throw this.#damaged(offset, `page ${nextPgno(this.#pgno, pageSize)} is missing: page ${pgno} comes in its place`);
    }
  }

  async #readBlock(): Promise<Buffer> {
    const offset = this.#source.offset;
    const field = await this.#read(blockSizeFieldBytes, "the size of a page", pageHeaderSizeBytes);
    this.#fileCrc.update(field);
    const sizeBytes = field.readUInt32BE(0);
    const sizeBytesMax = this.#stored.byteLength - napiPrefixSizeBytes;
    if (sizeBytes === 0 || sizeBytes > sizeBytesMax) {
      throw this.#damaged(offset, `a page of ${this.header.pageSize} bytes cannot be stored in ${sizeBytes}`);
    }
    const prefixed = this.#stored.subarray(0, napiPrefixSizeBytes + sizeBytes);
    if ((await this.#source.readInto(prefixed.subarray(napiPrefixSizeBytes))) < sizeBytes) throw this.#cut("a page");
    try {
      return decodeBlock(prefixed, this.header.pageSize, emptyHistory);
    } catch (error) {
      throw this.#damaged(offset, `a page cannot be decompressed: ${errorMessage(error)}`, error);
    }
  }

  async #readFrame(pgno: number): Promise<Buffer> {
    this.#frames ??= new FrameCutter(this.#source, this.#stored.byteLength - napiPrefixSizeBytes);
    const offset = this.#source.offset;
    const frame = await this.#frames.next();
    if (frame.problem !== undefined) throw this.#damaged(frame.offset, frame.problem);
    try {
      return await this.#decodeFrame(frame.bytes, `page ${pgno}`);
    } catch (error) {
      const at = isLitestreamError(error) ? (error.offset ?? 0) : 0;
      throw this.#damaged(offset + at, `a page cannot be decompressed: ${errorMessage(error)}`, error);
    }
  }

  async #decodeFrame(frame: Buffer, name: string): Promise<Buffer> {
    const { pageSize } = this.header;
    const block = singleBlockOf(frame);
    if (block !== undefined) {
      const page = block.isRaw
        ? Buffer.from(new Uint8Array(block.prefixed.subarray(napiPrefixSizeBytes)).buffer)
        : decodeBlock(block.prefixed, pageSize, emptyHistory);
      if (xxHash32(page) === block.contentHash) return page;
      releaseBuffer(page);
      throw new Error("its content fails its checksum");
    }
    const page = Buffer.allocUnsafeSlow(pageSize);
    let sizeBytes = 0;
    for await (const chunk of decompressLz4(only(frame), { path: name })) {
      page.set(chunk.subarray(0, pageSize - sizeBytes), sizeBytes);
      sizeBytes += chunk.byteLength;
      if (sizeBytes > pageSize) break;
    }
    if (sizeBytes === pageSize) return page;
    throw new Error(`it has another size than ${pageSize} bytes`);
  }

  /** Everything behind the last page. */
  async #readEnd(offset: number): Promise<void> {
    const { commit, pageSize } = this.header;
    const missing = nextPgno(this.#pgno, pageSize);
    if (this.#isWhole && missing <= commit) {
      throw this.#damaged(offset, `page ${missing} is missing, and all after it to page ${commit}`);
    }
    await this.#readIndex();

    const trailerOffset = this.#source.offset;
    const bytes = await this.#read(trailerSizeBytes, "its trailer");
    this.#fileCrc.update(bytes.subarray(0, trailerSizeBytes - fileChecksumSizeBytes));
    const trailer = parseLtxTrailer(bytes);
    const fileChecksum = storedChecksum(this.#fileCrc.digest());
    if (trailer.fileChecksum !== fileChecksum) {
      throw this.#damaged(
        trailerOffset,
        `it fails its checksum (${hex64(fileChecksum)}, expected ${hex64(trailer.fileChecksum)})`,
      );
    }
    this.#requireDatabaseChecksum(trailer, trailerOffset);
    if ((await this.#source.readInto(this.#field.subarray(0, 1))) > 0) {
      throw this.#damaged(trailerOffset + trailerSizeBytes, "something follows its end");
    }
    this.#trailer = trailer;
  }

  /** The index has to be the one that the pages make, so its size is known before it is read. */
  async #readIndex(): Promise<void> {
    const offset = this.#source.offset;
    const expected = this.#index.end();
    const crc = new Crc64();
    for (let leftBytes = expected.sizeBytes; leftBytes > 0;) {
      const piece = this.#stored.subarray(0, leftBytes);
      if ((await this.#source.readInto(piece)) < piece.byteLength) throw this.#cut("its page index");
      crc.update(piece);
      this.#fileCrc.update(piece);
      leftBytes -= piece.byteLength;
    }
    const field = await this.#read(indexSizeFieldBytes, "the size of its page index");
    this.#fileCrc.update(field);
    if (crc.digest() !== expected.checksum || field.readBigUInt64BE(0) !== BigInt(expected.sizeBytes)) {
      throw this.#damaged(offset, "its page index is not the one of its pages");
    }
  }

  #addToDatabaseChecksum(pgnoBytes: Uint8Array, data: Uint8Array): void {
    const crc = new Crc64();
    crc.update(pgnoBytes);
    crc.update(data);
    this.#databaseHigh ^= crc.high;
    this.#databaseLow ^= crc.low;
  }

  #requireDatabaseChecksum(trailer: LtxTrailer, offset: number): void {
    const { hasChecksums, commit } = this.header;
    const stored = trailer.postApplyChecksum;
    if (!hasChecksums) {
      if (stored === 0n) return;
      throw this.#damaged(offset, "it has a checksum of the database after it, and its header says that it has none");
    }
    if (stored < checksumFlag) throw this.#damaged(offset, "it has no checksum of the database after it");
    if (!this.#isWhole && commit > 0) return;
    const computed = storedChecksum(joinHalves(this.#databaseHigh, this.#databaseLow));
    if (stored === computed) return;
    throw this.#damaged(
      offset,
      `its pages fail the checksum of the database (${hex64(computed)}, expected ${hex64(stored)})`,
    );
  }

  async #read(sizeBytes: number, what: string, at: number = 0): Promise<Buffer> {
    const bytes = this.#field.subarray(at, at + sizeBytes);
    if ((await this.#source.readInto(bytes)) < sizeBytes) throw this.#cut(what);
    return bytes;
  }

  #releasePage(): void {
    if (this.#page !== undefined) releaseBuffer(this.#page);
    this.#page = undefined;
  }

  #cut(what: string): LitestreamError {
    return this.#damaged(this.#source.offset, `it ends inside ${what}`);
  }

  #damaged(offset: number, why: string, cause?: unknown): LitestreamError {
    return damaged(this.#path, offset, why, cause);
  }
}

function parseHeader(bytes: Uint8Array, { path, expected }: LtxDecoderOptions): LtxHeader {
  let header: LtxHeader;
  try {
    header = parseLtxHeader(bytes, path);
  } catch (error) {
    if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
    throw new LitestreamError("BACKUP_DAMAGED", error.message, {
      path,
      offset: error.offset ?? 0,
      hint: damagedHint,
      cause: error,
    });
  }
  if (expected !== undefined && (header.minTxid !== expected.minTxid || header.maxTxid !== expected.maxTxid)) {
    const [inside, named] = [header, expected].map(
      (range) => `${formatTxid(range.minTxid)}-${formatTxid(range.maxTxid)}`,
    );
    throw damaged(path, 16, `its name says transactions ${named}, and its header ${inside}`);
  }
  return header;
}

function damaged(path: string, offset: number, why: string, cause?: unknown): LitestreamError {
  return new LitestreamError("BACKUP_DAMAGED", `damaged LTX file: ${path}: at byte ${offset}: ${why}`, {
    path,
    offset,
    hint: damagedHint,
    cause,
  });
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}

function hex64(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}
