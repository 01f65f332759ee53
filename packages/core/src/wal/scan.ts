import { ChunkReader } from "../chunk-reader.ts";
import { WalChain, type WalChainEnd, type WalFrame, type WalStop } from "./chain.ts";
import { frameSizeBytes, parseWalHeader, type WalHeader, walHeaderSizeBytes } from "./header.ts";

/** What a WAL holds, verified up to where it stops being one. */
export interface WalScan {
  /** Undefined where the content is shorter than a header. */
  readonly header: WalHeader | undefined;
  /** Bytes of the whole content, verified or not. */
  readonly sizeBytes: number;
  /** End of the verified frames. */
  readonly endOffset: number;
  /** End of the last commit among them, and the size of the database then, 0 where there is none. */
  readonly commit: WalChainEnd & { readonly pageCount: number };
  readonly stop: WalStop;
  /**
   * True when frames behind the one that failed are right in themselves: it was damaged later, by whatever means. False
   * when nothing behind it is: so ends a write that was interrupted.
   */
  readonly continues: boolean;
}

/**
 * Reads a WAL and verifies its header, salts and running checksum.
 * @param onFrame called for each frame that was verified, with the page; valid during the call
 * @param untilOffset where to stop, at the end of a frame
 * @param from the end of a commit that was verified before: then `content` is the header and, right behind it, the WAL
 * from there on; the commit found has 0 pages where there is no later one
 * @throws LitestreamError FORMAT_INVALID for a header that is none
 */
export async function scanWal(
  content: AsyncIterable<Uint8Array>,
  path: string,
  onFrame?: (frame: WalFrame, page: Uint8Array) => void,
  untilOffset: number = Infinity,
  from?: WalChainEnd,
): Promise<WalScan> {
  const reader = new ChunkReader(content);
  try {
    const headerBytes = new Uint8Array(walHeaderSizeBytes);
    const headerSizeBytes = await reader.readInto(headerBytes);
    if (headerSizeBytes < walHeaderSizeBytes) return withoutHeader(headerSizeBytes);
    const header = parseWalHeader(headerBytes, path);
    const chain = from === undefined ? new WalChain(header) : new WalChain(header, from);
    const frameSize = frameSizeBytes(header.pageSize);
    const cut = new Uint8Array(frameSize);
    let stop: WalStop = "end";
    let continues = false;
    /** @param after what follows `bytes` in the same chunk */
    const extend = async (bytes: Uint8Array, after: Uint8Array): Promise<void> => {
      const extended = chain.extend(bytes, (frame) => {
        onFrame?.(frame, bytes.subarray(frame.pageStart, frame.pageStart + header.pageSize));
      });
      stop = extended.stop;
      if (stop !== "salt" && stop !== "checksum") return;
      const failed = Buffer.concat([bytes.subarray(extended.verifiedBytes), after]);
      continues = await anyFrameContinues(header, failed, reader);
    };

    // Where they are: a copy of all of them costs a tenth of the time that a WAL takes.
    while (stop === "end" && chain.end.offset < untilOffset) {
      const chunk = await reader.take(untilOffset - chain.end.offset);
      if (chunk.byteLength === 0) break;
      const cutBytes = chunk.byteLength % frameSize;
      const whole = chunk.subarray(0, chunk.byteLength - cutBytes);
      const begun = chunk.subarray(whole.byteLength);
      if (whole.byteLength > 0) await extend(whole, begun);
      if (stop !== "end" || cutBytes === 0) continue;
      // A frame in two chunks, or more.
      cut.set(begun);
      const wanted = cut.subarray(cutBytes, Math.min(frameSize, untilOffset - chain.end.offset));
      await extend(cut.subarray(0, cutBytes + (await reader.readInto(wanted))), nothing);
    }
    if (stop !== "end") await reader.skip(Infinity);
    return {
      header,
      sizeBytes: reader.offset + (from === undefined ? 0 : from.offset - walHeaderSizeBytes),
      endOffset: chain.end.offset,
      commit: chain.commit,
      stop,
      continues,
    };
  } finally {
    await reader.close();
  }
}

const nothing = new Uint8Array(0);

function withoutHeader(sizeBytes: number): WalScan {
  const commit = { offset: 0, checksum: { s1: 0, s2: 0 }, pageCount: 0 };
  return {
    header: undefined,
    sizeBytes,
    endOffset: 0,
    commit,
    stop: sizeBytes === 0 ? "end" : "short",
    continues: false,
  };
}

/** Looks for a frame with the WAL's salts whose checksum follows from the one stored in the frame before it. */
async function anyFrameContinues(header: WalHeader, firstBytes: Uint8Array, rest: ChunkReader): Promise<boolean> {
  const frameSize = frameSizeBytes(header.pageSize);
  const frame = new Uint8Array(frameSize);
  const frames = new FrameFeed(firstBytes, rest);
  let before: { s1: number; s2: number } | undefined;
  while (await frames.readInto(frame)) {
    if (before !== undefined) {
      const chain = new WalChain(header, { offset: walHeaderSizeBytes, checksum: before });
      if (chain.extend(frame).verifiedBytes > 0) return true;
    }
    const view = new DataView(frame.buffer);
    before = { s1: view.getInt32(16), s2: view.getInt32(20) };
  }
  return false;
}

/** Whole frames out of bytes that were read already, then out of those to come. */
class FrameFeed {
  #bytes: Uint8Array;
  readonly #rest: ChunkReader;

  constructor(bytes: Uint8Array, rest: ChunkReader) {
    this.#bytes = bytes;
    this.#rest = rest;
  }

  /** @returns false when no whole frame is left */
  async readInto(frame: Uint8Array): Promise<boolean> {
    const known = this.#bytes.subarray(0, frame.byteLength);
    frame.set(known);
    this.#bytes = this.#bytes.subarray(known.byteLength);
    const read = await this.#rest.readInto(frame.subarray(known.byteLength));
    return known.byteLength + read === frame.byteLength;
  }
}
