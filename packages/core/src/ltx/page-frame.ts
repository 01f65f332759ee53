import type { ChunkReader } from "../chunk-reader.ts";
import { frameMagic, rawBlockFlag } from "../lz4/frame-format.ts";

/** Besides its blocks: at most 19 bytes of header, an end mark, a checksum; and room for a few blocks more than one. */
const overheadSizeBytesMax = 128;

/** A frame, or what is wrong with it. */
export type FoundFrame =
  | { readonly bytes: Buffer; readonly problem?: undefined }
  | { readonly problem: string; readonly offset: number };

/**
 * Reads one LZ4 frame (`lz4/frame-format.ts`) out of a source that goes on behind it. Only its extent is understood
 * here: to check and to decode it is left to the reader of frames.
 */
export class FrameCutter {
  readonly #source: ChunkReader;
  readonly #bytes: Buffer;
  #sizeBytes = 0;

  /** @param blockSizeBytesMax the most that the blocks of a frame may have */
  constructor(source: ChunkReader, blockSizeBytesMax: number) {
    this.#source = source;
    this.#bytes = Buffer.allocUnsafeSlow(blockSizeBytesMax + overheadSizeBytesMax);
  }

  /** @returns memory that belongs to the caller until the next call */
  async next(): Promise<FoundFrame> {
    const start = this.#source.offset;
    this.#sizeBytes = 0;
    const head = await this.#take(6);
    if (head === undefined) return this.#cut();
    if (head.readUInt32LE(0) !== frameMagic) {
      return { problem: "a page does not begin with the LZ4 magic number", offset: start };
    }
    const flags = head.readUInt8(4);
    const contentSizeBytes = (flags & 0x08) === 0 ? 0 : 8;
    const dictionaryIdBytes = (flags & 0x01) === 0 ? 0 : 4;
    const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
    const contentChecksumBytes = (flags & 0x04) === 0 ? 0 : 4;
    if ((await this.#take(contentSizeBytes + dictionaryIdBytes + 1)) === undefined) return this.#cut();
    for (;;) {
      const blockOffset = this.#source.offset;
      const size = (await this.#take(4))?.readUInt32LE(0);
      if (size === undefined) return this.#cut();
      if (size === 0) break;
      const blockBytes = size >= rawBlockFlag ? size - rawBlockFlag : size;
      // What comes after the last block has to find room too.
      const sizeBytesMax = this.#bytes.byteLength - this.#sizeBytes - 16;
      if (blockBytes + blockChecksumBytes > sizeBytesMax) {
        return { problem: `a block of ${blockBytes} bytes is more than a page can have`, offset: blockOffset };
      }
      if ((await this.#take(blockBytes + blockChecksumBytes)) === undefined) return this.#cut();
    }
    if ((await this.#take(contentChecksumBytes)) === undefined) return this.#cut();
    return { bytes: this.#bytes.subarray(0, this.#sizeBytes) };
  }

  async #take(sizeBytes: number): Promise<Buffer | undefined> {
    const target = this.#bytes.subarray(this.#sizeBytes, this.#sizeBytes + sizeBytes);
    this.#sizeBytes += sizeBytes;
    return (await this.#source.readInto(target)) < sizeBytes ? undefined : target;
  }

  #cut(): FoundFrame {
    return { problem: "it ends inside a page", offset: this.#source.offset };
  }
}

/** FLG (independent blocks, content checksum), BD (64 KiB), header checksum: what Litestream 0.5 writes. */
const usualDescriptor = 0xa74064;
const usualHeadSizeBytes = 7;
const blockSizeFieldBytes = 4;
const usualTailSizeBytes = 8;

/** The one block of a frame, and what its content has to hash to. */
export interface SingleBlock {
  /** With 4 bytes of room before it. */
  readonly prefixed: Buffer;
  readonly isRaw: boolean;
  readonly contentHash: number;
}

/**
 * The block of a frame in the only form that Litestream writes. With a frame for each page, the general reader of
 * frames takes more time to begin than to decode: files came out twice as fast this way.
 * @returns undefined for a frame of any other form
 */
export function singleBlockOf(frame: Buffer): SingleBlock | undefined {
  if (frame.readUInt32LE(0) !== frameMagic || frame.readUIntLE(4, 3) !== usualDescriptor) return undefined;
  const size = frame.readUInt32LE(usualHeadSizeBytes);
  const isRaw = size >= rawBlockFlag;
  const end = usualHeadSizeBytes + blockSizeFieldBytes + (isRaw ? size - rawBlockFlag : size);
  if (size === 0 || frame.byteLength !== end + usualTailSizeBytes) return undefined;
  return {
    prefixed: frame.subarray(usualHeadSizeBytes, end),
    isRaw,
    contentHash: frame.readUInt32LE(end + blockSizeFieldBytes),
  };
}
