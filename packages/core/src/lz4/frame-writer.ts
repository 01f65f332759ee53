/** Writes one LZ4 frame in the only form that Litestream 0.3 reads completely; see `frame-format.ts`. */
import { availableParallelism } from "node:os";
import { assert } from "../assert.ts";
import { releaseBuffer } from "../release-buffer.ts";
import { type BlockThreads, openBlockThreads } from "./block-threads.ts";
import { blockSizeBytesMax, napiPrefixSizeBytes, rawBlockFlag } from "./frame-format.ts";
import { RunningXxHash32 } from "./xxhash32.ts";

const blockHeaderSizeBytes = 4;

/** Magic, FLG 0x64 (independent blocks, content checksum), BD 0x70 (4 MiB blocks), header checksum. */
const frameHeader = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9];

/** One core is this thread's own, which reads, hashes and writes. */
const threadCount = Math.min(3, Math.max(1, availableParallelism() - 1));

/** A block that is being compressed, or was. */
interface PendingBlock {
  readonly contentBytes: number;
  readonly compressed: ReturnType<BlockThreads["compress"]>;
}

/**
 * `content` as one LZ4 frame: blocks of 4 MiB, each stored as it is where it would not get smaller, and a checksum of
 * the content. Litestream 0.3 rejects block checksums and silently ignores a second frame, so there are none.
 *
 * Blocks are compressed on other threads, in order, while the next is read, hashed and filled: 1.3 times as fast with
 * one thread (2-core machine, content that shrinks to 60 %), since LZ4 takes two thirds of the time.
 *
 * Memory: the block being filled; for each thread one at work and one that waits; and their compressed forms. It stays
 * flat, which it does not on lz4-napi's own thread pool. A chunk belongs to the caller until it asks for the next.
 */
export async function* compressLz4(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const contentHash = new RunningXxHash32();
  using open = openBlockThreads(threadCount);
  const { threads } = open;
  const pending: PendingBlock[] = [];
  const spare: ArrayBuffer[] = [];
  let block = newBlock();
  let filledBytes = 0;

  const begin = (): void => {
    const compressed = threads.compress(block.buffer, blockHeaderSizeBytes + filledBytes);
    // Thrown when its turn comes.
    compressed.catch(() => undefined);
    pending.push({ contentBytes: filledBytes, compressed });
    block = newBlock(spare.pop());
    filledBytes = 0;
  };
  const finishFirst = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    const first = pending.shift();
    if (first === undefined) return;
    const { content: filled, stored } = await first.compressed;
    yield storedForm(filled, first.contentBytes, stored);
    releaseBuffer(stored);
    spare.push(filled);
  };

  try {
    yield Uint8Array.from(frameHeader);
    for await (const chunk of content) {
      for (let start = 0; start < chunk.byteLength;) {
        const taken = chunk.subarray(start, start + blockSizeBytesMax - filledBytes);
        block.set(taken, blockHeaderSizeBytes + filledBytes);
        contentHash.update(taken);
        filledBytes += taken.byteLength;
        start += taken.byteLength;
        if (filledBytes < blockSizeBytesMax) continue;
        begin();
        while (pending.length > threads.readyCount) yield* finishFirst();
      }
    }
    if (filledBytes > 0) begin();
    while (pending.length > 0) yield* finishFirst();

    const end = Buffer.alloc(8);
    end.writeUInt32LE(contentHash.digest(), 4);
    yield end;
  } finally {
    for (const { compressed } of pending) {
      await compressed.then(
        ({ stored }) => releaseBuffer(stored),
        () => undefined,
      );
    }
    for (const memory of [block.buffer, ...spare]) releaseBuffer(new Uint8Array(memory));
  }
}

/** A block with room for its size before it, so that one that is stored as it is goes out without a copy. */
function newBlock(memory = new ArrayBuffer(blockHeaderSizeBytes + blockSizeBytesMax)): Buffer<ArrayBuffer> {
  return Buffer.from(memory);
}

function storedForm(filled: ArrayBuffer, contentBytes: number, compressed: Buffer): Uint8Array {
  const compressedBytes = compressed.byteLength - napiPrefixSizeBytes;
  assert(compressedBytes > 0, "a block compresses to at least one byte");
  if (compressedBytes < contentBytes) {
    compressed.writeUInt32LE(compressedBytes, 0);
    return compressed;
  }
  const raw = Buffer.from(filled, 0, blockHeaderSizeBytes + contentBytes);
  raw.writeUInt32LE((contentBytes | rawBlockFlag) >>> 0, 0);
  return raw;
}
