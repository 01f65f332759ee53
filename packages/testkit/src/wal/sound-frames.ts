/**
 * Frames of a WAL in bulk. https://www.sqlite.org/walformat.html, sections 4.1 and 4.2. All integers are big-endian.
 *
 *      0  u32 page number
 *      4  u32 size of the database in pages in a commit frame, else 0
 *      8  u32 salt-1
 *     12  u32 salt-2
 *     16  u32 x 2 checksum, going on from the frame before (or the header), over bytes 0..7, then the page
 *     24  page
 */
import { WalChecksummer } from "./checksum.ts";
import { chunkBytes, readUpTo } from "./file-bytes.ts";
import { hex, type WalHeader, walHeaderBytes } from "./header.ts";

export const walFrameHeaderBytes = 24;

/**
 * Why the frames of a WAL end where they do:
 * `end`, the file does; `short`, the file does, inside a header or a frame; `header`, there is no header of a WAL;
 * `salt`, the next frame has other salts, as what an older WAL left behind has; `pgno`, it says page 0, which no
 * database has; `checksum`, it breaks the chain of checksums.
 */
export type WalEndReason = "end" | "short" | "header" | "salt" | "pgno" | "checksum";

export interface WalEnd {
  readonly reason: WalEndReason;
  /** Offset in bytes where the sound frames end; for `header`, of the field that is wrong. */
  readonly offset: number;
  /** What was found there, for a person to read. */
  readonly detail: string;
}

/** Sound frames, one after another in memory that belongs to the `SoundFrames` and is used again by its next chunk. */
export interface FrameChunk {
  /** Number of the first of them, counting from 1 in the file. */
  readonly firstFrame: number;
  readonly frames: number;
  /** Offset in bytes of the first one in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory in this machine's words. */
  readonly words: Int32Array<ArrayBuffer>;
}

/** Reads a WAL's frames for as long as SQLite's recovery would accept them, up to a megabyte at a time. */
export class SoundFrames {
  readonly #fd: number;
  readonly #header: WalHeader;
  readonly #frameBytes: number;
  readonly #memory: ArrayBuffer;
  readonly #sum: WalChecksummer;
  #frames = 0;
  #end: WalEnd | undefined;

  constructor(fd: number, header: WalHeader) {
    this.#fd = fd;
    this.#header = header;
    this.#frameBytes = walFrameHeaderBytes + header.pageSize;
    this.#memory = new ArrayBuffer(Math.floor(chunkBytes / this.#frameBytes) * this.#frameBytes);
    this.#sum = new WalChecksummer(header.bigEndianChecksum, header.checksum);
  }

  /** Why there are no more; undefined while there may be. */
  get end(): WalEnd | undefined {
    return this.#end;
  }

  /** The next frames, at least one; undefined at the end. */
  next(): FrameChunk | undefined {
    if (this.#end !== undefined) return undefined;
    const memory = new Uint8Array(this.#memory);
    const firstFrame = this.#frames + 1;
    const offset = walHeaderBytes + this.#frames * this.#frameBytes;
    const got = readUpTo(this.#fd, memory, offset);
    const frames = this.#countSound(offset, Math.floor(got / this.#frameBytes));
    this.#frames += frames;
    const rest = got % this.#frameBytes;
    if (this.#end === undefined && got < memory.length) {
      const detail = rest === 0 ? "the file ends behind a whole frame" : `the file ends ${rest} bytes into a frame`;
      this.#end = { reason: rest === 0 ? "end" : "short", offset: offset + frames * this.#frameBytes, detail };
    }
    if (frames === 0) return undefined;
    const bytes = memory.subarray(0, frames * this.#frameBytes);
    const words = new Int32Array(this.#memory, 0, bytes.length / 4);
    return { firstFrame, frames, offset, bytes, words };
  }

  #countSound(offset: number, frames: number): number {
    const { salt1, salt2 } = this.#header;
    const view = new DataView(this.#memory);
    const words = new Int32Array(this.#memory);
    for (let i = 0; i < frames; i++) {
      const at = i * this.#frameBytes;
      const frameSalt1 = view.getUint32(at + 8);
      const frameSalt2 = view.getUint32(at + 12);
      if (frameSalt1 !== salt1 || frameSalt2 !== salt2) {
        const detail = `the frame's salts are ${hex(frameSalt1, frameSalt2)}, the header's ${hex(salt1, salt2)}`;
        this.#end = { reason: "salt", offset: offset + at, detail };
        return i;
      }
      if (view.getUint32(at) === 0) {
        this.#end = { reason: "pgno", offset: offset + at, detail: "the frame's page number is 0" };
        return i;
      }
      this.#sum.add(words, at / 4, at / 4 + 2);
      this.#sum.add(words, (at + walFrameHeaderBytes) / 4, (at + this.#frameBytes) / 4);
      const s0 = view.getUint32(at + 16);
      const s1 = view.getUint32(at + 20);
      if (s0 !== this.#sum.s0 || s1 !== this.#sum.s1) {
        const detail = `the frame's checksum is ${hex(s0, s1)}, not ${hex(...this.#sum.value)}`;
        this.#end = { reason: "checksum", offset: offset + at, detail };
        return i;
      }
    }
    return frames;
  }
}
