/**
 * The frames of a WAL as one chain (https://www.sqlite.org/walformat.html, "The WAL File Format"). Each frame is a
 * 24-byte header, all big-endian, and a page:
 *
 *     offset  size  field
 *          0     4  page number
 *          4     4  size of the database in pages after the commit, in a commit frame; else 0
 *          8     8  salt-1, salt-2: those of the WAL's header
 *         16     8  checksum-1, checksum-2: over the first 8 bytes of this header and the page, continuing from the
 *                   frame before (the first one: from the WAL header's checksum)
 *
 * So a right checksum at frame N proves every frame up to N, and their order.
 */
import { copyBytes } from "../bytes.ts";
import { assert } from "../assert.ts";
import { addNativeWords, addSwappedWords, type Checksum, isNativeOrder } from "./checksum.ts";
import { frameSizeBytes, walFrameHeaderSizeBytes, type WalHeader, walHeaderSizeBytes } from "./header.ts";

/** Why a reader of frames stopped: at the end of what it was given, inside a frame, or at a frame that is not next. */
export type WalStop = "end" | "short" | "salt" | "checksum";

/** A frame of the chain: where it lies in the bytes given to `extend`, and what its header says. */
export interface WalFrame {
  readonly pgno: number;
  /** Pages in the database after this commit; 0 in a frame that ends no transaction. */
  readonly commitPageCount: number;
  /** Offset of the page in the bytes given to `extend`. */
  readonly pageStart: number;
}

/** The end of a chain: enough to go on from there later, or to compare with another chain. */
export interface WalChainEnd {
  /** Bytes into the WAL file: where the next frame begins. */
  readonly offset: number;
  readonly checksum: Readonly<Checksum>;
}

/** Verifies frames one after another. Does no I/O; keeps no frame. */
export class WalChain {
  readonly header: WalHeader;
  readonly #checksum: Checksum;
  readonly #frameSize: number;
  #offset: number;
  #commit: WalChainEnd & { readonly pageCount: number };

  /** A chain that begins with the first frame, or goes on from `from`, which must be the end of a commit. */
  constructor(header: WalHeader, from: WalChainEnd = { offset: walHeaderSizeBytes, checksum: header.checksum }) {
    this.header = header;
    this.#frameSize = frameSizeBytes(header.pageSize);
    assert((from.offset - walHeaderSizeBytes) % this.#frameSize === 0, "a chain goes on at the start of a frame");
    this.#offset = from.offset;
    this.#checksum = { s1: from.checksum.s1, s2: from.checksum.s2 };
    this.#commit = { offset: from.offset, checksum: { ...from.checksum }, pageCount: 0 };
  }

  /** Where the verified frames end; the next `extend` takes the bytes from here on. */
  get end(): WalChainEnd {
    return { offset: this.#offset, checksum: { ...this.#checksum } };
  }

  /**
   * Where the last verified commit frame ends, and the database's size then. Where this chain has met no commit yet:
   * where it began, with 0 pages.
   */
  get commit(): WalChainEnd & { readonly pageCount: number } {
    return this.#commit;
  }

  /**
   * Verifies as many whole frames of `bytes` as follow the chain, and calls `onFrame` for each after it was verified.
   * @param bytes the WAL from `end.offset` on; 4-byte aligned memory is read without a copy
   * @returns how many bytes were verified (whole frames), and why no more were
   */
  extend(bytes: Uint8Array, onFrame?: (frame: WalFrame) => void): { verifiedBytes: number; stop: WalStop } {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : copyBytes(bytes);
    const frameCount = Math.floor(aligned.byteLength / this.#frameSize);
    const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.byteLength);
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2);
    const add = isNativeOrder(this.header.bigEndianChecksum) ? addNativeWords : addSwappedWords;
    const { salt1, salt2 } = this.header.salts;
    const sum = { s1: this.#checksum.s1, s2: this.#checksum.s2 };

    for (let frame = 0; frame < frameCount; frame++) {
      const start = frame * this.#frameSize;
      if (view.getUint32(start + 8) !== salt1 || view.getUint32(start + 12) !== salt2) return this.#stop(start, "salt");
      const word = start >>> 2;
      const pageWord = word + walFrameHeaderSizeBytes / 4;
      add(sum, words, word, word + 2);
      add(sum, words, pageWord, pageWord + (this.header.pageSize >>> 2));
      const pgno = view.getUint32(start);
      if (sum.s1 !== view.getInt32(start + 16) || sum.s2 !== view.getInt32(start + 20) || pgno === 0) {
        return this.#stop(start, "checksum");
      }
      this.#checksum.s1 = sum.s1;
      this.#checksum.s2 = sum.s2;
      this.#offset += this.#frameSize;
      const commitPageCount = view.getUint32(start + 4);
      if (commitPageCount !== 0) {
        this.#commit = { offset: this.#offset, checksum: { s1: sum.s1, s2: sum.s2 }, pageCount: commitPageCount };
      }
      onFrame?.({ pgno, commitPageCount, pageStart: start + walFrameHeaderSizeBytes });
    }
    const verifiedBytes = frameCount * this.#frameSize;
    return this.#stop(verifiedBytes, verifiedBytes === aligned.byteLength ? "end" : "short");
  }

  #stop(verifiedBytes: number, stop: WalStop): { verifiedBytes: number; stop: WalStop } {
    return { verifiedBytes, stop };
  }
}
