/** Reads LZ4 frames of every valid form; see `frame-format.ts`. */
import { errorMessage, LitestreamError } from "../errors.ts";
import { decodeBlock } from "./block.ts";
import { ChunkReader } from "../chunk-reader.ts";
import { type Decoded, type BlockThreads, blockThreads } from "./block-threads.ts";
import {
  frameMagic,
  legacyFrameMagic,
  linkedWindowSizeBytes,
  napiPrefixSizeBytes,
  rawBlockFlag,
  skippableMagicFirst,
  skippableMagicLast,
} from "./frame-format.ts";
import { offerBuffer, releaseBuffer, releaseUnlessTaken } from "../release-buffer.ts";
import { RunningXxHash32, xxHash32 } from "./xxhash32.ts";

const damagedHint = "Restore from another replica, or put an undamaged copy of this object in its place.";

/** Blocks of a frame that are decoded or being decoded on other threads, before the first is wanted. */
const blocksAheadMax = 2;

interface StoredBlock {
  /** The block, after 4 bytes of room; at the beginning of memory of its own. */
  readonly prefixed: Buffer<ArrayBuffer>;
  readonly isRaw: boolean;
  /** Where it begins in the object. */
  readonly offset: number;
}

interface FrameDescriptor {
  readonly blocksAreLinked: boolean;
  readonly hasBlockChecksums: boolean;
  readonly hasContentChecksum: boolean;
  readonly contentSizeBytes: bigint | undefined;
  readonly blockSizeBytesMax: number;
}

/**
 * The content of one or more LZ4 frames, verified: header checksums, block checksums, content checksums, content sizes,
 * end marks, and that nothing else follows. What is given out before the end is reached is not yet proven.
 *
 * Memory: one block as stored and its content. A chunk belongs to the caller only until it asks for the next: its
 * memory is taken away then, unless the caller took it (`takeBuffer`).
 * @param options.path names the object in errors
 * @throws LitestreamError BACKUP_DAMAGED, with the offset in `content` of what is wrong
 */
export async function* decompressLz4(
  content: AsyncIterable<Uint8Array>,
  options: { readonly path: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new Lz4Reader(content, options.path);
  try {
    yield* reader.frames();
  } finally {
    await reader.close();
  }
}

class Lz4Reader {
  readonly #source: ChunkReader;
  readonly #path: string;
  readonly #field: Buffer = Buffer.allocUnsafeSlow(19);
  /** Memory for blocks as they are stored, each with 4 bytes before it. */
  readonly #spare: ArrayBuffer[] = [];

  constructor(content: AsyncIterable<Uint8Array>, path: string) {
    this.#source = new ChunkReader(content);
    this.#path = path;
  }

  async close(): Promise<void> {
    for (const memory of this.#spare) releaseBuffer(new Uint8Array(memory));
    await this.#source.close();
  }

  async *frames(): AsyncGenerator<Uint8Array, void, undefined> {
    let frameCount = 0;
    for (;;) {
      const offset = this.#source.offset;
      const size = await this.#source.readInto(this.#field.subarray(0, 4));
      if (size === 0 && frameCount > 0) return;
      if (size === 0) throw this.#damaged(offset, offset === 0 ? "the object is empty" : "it holds no LZ4 frame");
      const magic = size === 4 ? this.#field.readUInt32LE(0) : undefined;
      if (magic === frameMagic) {
        yield* this.#frame(offset);
        frameCount++;
      } else if (magic !== undefined && magic >= skippableMagicFirst && magic <= skippableMagicLast) {
        const skipped = (await this.#read(4, "a skippable frame")).readUInt32LE(0);
        if ((await this.#source.skip(skipped)) < skipped) throw this.#cut("a skippable frame");
      } else if (frameCount > 0) {
        throw this.#damaged(offset, "something follows the end of the LZ4 frame that is not part of it");
      } else if (size < 4) {
        throw this.#cut("the LZ4 magic number");
      } else if (magic === legacyFrameMagic) {
        throw this.#damaged(offset, "it is a legacy LZ4 frame (lz4 -l), which carries no checksum");
      } else {
        throw this.#damaged(offset, "it does not begin with the LZ4 magic number");
      }
    }
  }

  async *#frame(frameOffset: number): AsyncGenerator<Uint8Array, void, undefined> {
    const descriptor = await this.#descriptor();
    const contentHash = new RunningXxHash32();
    let sizeBytes = 0;

    const blocks = descriptor.blocksAreLinked ? this.#linkedBlocks(descriptor) : this.#independentBlocks(descriptor);
    for await (const bytes of blocks) {
      sizeBytes += bytes.byteLength;
      if (descriptor.hasContentChecksum) contentHash.update(bytes);
      if (bytes.byteLength > 0) yield bytes;
    }

    const endOffset = this.#source.offset;
    if (descriptor.hasContentChecksum) {
      const expected = (await this.#read(4, "the content checksum")).readUInt32LE(0);
      this.#compare(contentHash.digest(), expected, endOffset, "the content");
    }
    const { contentSizeBytes } = descriptor;
    if (contentSizeBytes !== undefined && contentSizeBytes !== BigInt(sizeBytes)) {
      throw this.#damaged(
        frameOffset,
        `its header says ${contentSizeBytes} bytes of content, and there are ${sizeBytes}`,
      );
    }
  }

  /** Decoded here, one after the other: each refers to those before it. */
  async *#linkedBlocks(descriptor: FrameDescriptor): AsyncGenerator<Uint8Array, void, undefined> {
    const window = new HistoryWindow();
    for (;;) {
      const block = await this.#storedBlock(descriptor);
      if (block === undefined) return;
      const { prefixed, isRaw, offset } = block;
      const bytes = isRaw
        ? prefixed.subarray(napiPrefixSizeBytes)
        : this.#decode(prefixed, descriptor.blockSizeBytesMax, window.bytes(), offset);
      window.add(bytes);
      yield bytes;
      if (!isRaw) releaseBuffer(bytes);
      this.#recycle(prefixed.buffer);
    }
  }

  /** Decoded on other threads where there are some, and then some ahead of the caller. */
  async *#independentBlocks(descriptor: FrameDescriptor): AsyncGenerator<Uint8Array, void, undefined> {
    const threads = blockThreads();
    // The first alone: of an object that is begun before anybody reads it, one block is held and no more.
    let aheadMax = 1;
    const ahead: Promise<Decoded>[] = [];
    let isEnded = false;
    /** Thrown when what comes before it was given out. */
    let failure: { readonly error: unknown } | undefined;
    try {
      for (;;) {
        while (!isEnded && ahead.length < aheadMax) {
          let block: StoredBlock | undefined;
          try {
            block = await this.#storedBlock(descriptor);
          } catch (error) {
            failure = { error };
          }
          if (block === undefined) isEnded = true;
          else ahead.push(handledLater(this.#decodeAhead(block, descriptor, threads)));
        }
        if (threads !== undefined) aheadMax = blocksAheadMax;
        const first = ahead.shift();
        if (first === undefined) {
          if (failure !== undefined) throw failure.error;
          return;
        }
        const { content, stored } = await first;
        // A view, without a transfer, where the block is stored as it is: then it is not the reader's to keep.
        if (content.buffer !== stored) offerBuffer(content);
        try {
          yield content;
        } finally {
          if (content.buffer !== stored) releaseUnlessTaken(content);
          this.#recycle(stored);
        }
      }
    } finally {
      for (const block of ahead)
        await block.then(
          ({ content }) => releaseBuffer(content),
          () => undefined,
        );
    }
  }

  async #decodeAhead(
    { prefixed, isRaw, offset }: StoredBlock,
    { blockSizeBytesMax }: FrameDescriptor,
    threads: BlockThreads | undefined,
  ): Promise<Decoded> {
    if (isRaw) return { content: prefixed.subarray(napiPrefixSizeBytes), stored: prefixed.buffer };
    if (threads === undefined) {
      return { content: this.#decode(prefixed, blockSizeBytesMax, emptyHistory, offset), stored: prefixed.buffer };
    }
    try {
      return await threads.decode(prefixed.buffer, prefixed.byteLength, blockSizeBytesMax);
    } catch (error) {
      throw this.#undecodable(offset, error);
    }
  }

  async #descriptor(): Promise<FrameDescriptor> {
    const offset = this.#source.offset;
    const what = "the frame header";
    const [flags = 0, blockDescriptor = 0] = await this.#read(2, what);
    const hasContentSize = (flags & 0x08) !== 0;
    const hasDictionaryId = (flags & 0x01) !== 0;
    const optionalBytes = (hasContentSize ? 8 : 0) + (hasDictionaryId ? 4 : 0);
    // Read behind the two bytes, so that the checksum is taken over one run of memory.
    const rest = this.#field.subarray(2, 2 + optionalBytes + 1);
    if ((await this.#source.readInto(rest)) < rest.byteLength) throw this.#cut(what);
    const checksumAt = 2 + optionalBytes;
    const checksum = (xxHash32(this.#field.subarray(0, checksumAt)) >>> 8) & 0xff;
    if (checksum !== this.#field[checksumAt]) throw this.#damaged(offset, "the frame header fails its checksum");

    if (flags >>> 6 !== 1) throw this.#damaged(offset, `frame version ${flags >>> 6} is not known`);
    const sizeCode = (blockDescriptor >>> 4) & 0x07;
    if ((flags & 0x02) !== 0 || (blockDescriptor & 0x8f) !== 0 || sizeCode < 4) {
      throw this.#damaged(offset, "the frame header uses reserved values");
    }
    if (hasDictionaryId) {
      throw this.#damaged(
        offset,
        "it was compressed with a dictionary, which Litestream never does and nobody here has",
      );
    }
    return {
      blocksAreLinked: (flags & 0x20) === 0,
      hasBlockChecksums: (flags & 0x10) !== 0,
      hasContentChecksum: (flags & 0x04) !== 0,
      contentSizeBytes: hasContentSize ? this.#field.readBigUInt64LE(2) : undefined,
      blockSizeBytesMax: 1 << (8 + 2 * sizeCode),
    };
  }

  /**
   * Reads a block and checks its checksum if it has one. The memory is the caller's until it is recycled.
   * @returns undefined at the end of the frame
   */
  async #storedBlock(descriptor: FrameDescriptor): Promise<StoredBlock | undefined> {
    const offset = this.#source.offset;
    const blockSize = (await this.#read(4, "the size of a block")).readUInt32LE(0);
    if (blockSize === 0) return undefined;
    const isRaw = blockSize >= rawBlockFlag;
    const storedBytes = isRaw ? blockSize - rawBlockFlag : blockSize;
    if (storedBytes > descriptor.blockSizeBytesMax) {
      throw this.#damaged(
        offset,
        `a block of ${storedBytes} bytes is larger than its frame allows (${descriptor.blockSizeBytesMax})`,
      );
    }
    const blockOffset = this.#source.offset;
    const neededBytes = napiPrefixSizeBytes + storedBytes;
    const prefixed = Buffer.from(this.#memoryOf(neededBytes), 0, neededBytes);
    const block = prefixed.subarray(napiPrefixSizeBytes);
    if ((await this.#source.readInto(block)) < storedBytes) throw this.#cut("a block");
    if (descriptor.hasBlockChecksums) {
      const expected = (await this.#read(4, "a block checksum")).readUInt32LE(0);
      this.#compare(xxHash32(block), expected, blockOffset, "a block");
    }
    return { prefixed, isRaw, offset };
  }

  #memoryOf(neededBytes: number): ArrayBuffer {
    const memory = this.#spare.pop();
    if (memory !== undefined && memory.byteLength >= neededBytes) return memory;
    if (memory !== undefined) releaseBuffer(new Uint8Array(memory));
    return Buffer.allocUnsafeSlow(Math.max(neededBytes, linkedWindowSizeBytes)).buffer;
  }

  #recycle(memory: ArrayBuffer): void {
    if (!memory.detached) this.#spare.push(memory);
  }

  #decode(prefixed: Buffer, sizeBytesMax: number, history: Uint8Array, offset: number): Buffer {
    try {
      // Hot loop: 6.5 GB/s for a database that shrinks to 37 %, of which half goes into lz4-napi's copy of the result
      // (2-core machine).
      return decodeBlock(prefixed, sizeBytesMax, history);
    } catch (error) {
      throw this.#undecodable(offset, error);
    }
  }

  #undecodable(offset: number, error: unknown): LitestreamError {
    return this.#damaged(offset, `a block cannot be decompressed: ${errorMessage(error)}`, error);
  }

  async #read(sizeBytes: number, what: string): Promise<Buffer> {
    const bytes = this.#field.subarray(0, sizeBytes);
    if ((await this.#source.readInto(bytes)) < sizeBytes) throw this.#cut(what);
    return bytes;
  }

  #compare(computed: number, expected: number, offset: number, what: string): void {
    if (computed === expected) return;
    throw this.#damaged(offset, `${what} fails its checksum (${hex32(computed)}, expected ${hex32(expected)})`);
  }

  #cut(what: string): LitestreamError {
    return this.#damaged(this.#source.offset, `it ends inside ${what}`);
  }

  #damaged(offset: number, why: string, cause?: unknown): LitestreamError {
    return new LitestreamError("BACKUP_DAMAGED", `damaged LZ4 data: ${this.#path}: at byte ${offset}: ${why}`, {
      path: this.#path,
      offset,
      hint: damagedHint,
      cause,
    });
  }
}

const emptyHistory = new Uint8Array(0);

/** Whoever waits for it gets the error; that nobody waits yet is none. */
function handledLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** The last 64 KiB of content, to which linked blocks refer. */
class HistoryWindow {
  #bytes: Uint8Array = new Uint8Array(0);

  bytes(): Uint8Array {
    return this.#bytes;
  }

  add(content: Uint8Array): void {
    if (content.byteLength >= linkedWindowSizeBytes) {
      this.#bytes = Uint8Array.from(content.subarray(-linkedWindowSizeBytes));
      return;
    }
    const keptBytes = Math.min(this.#bytes.byteLength, linkedWindowSizeBytes - content.byteLength);
    const bytes = new Uint8Array(keptBytes + content.byteLength);
    bytes.set(this.#bytes.subarray(this.#bytes.byteLength - keptBytes));
    bytes.set(content, keptBytes);
    this.#bytes = bytes;
  }
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
