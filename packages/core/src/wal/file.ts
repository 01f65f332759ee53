/** Reads a WAL, wherever its bytes are, and verifies it. No I/O of its own: bytes come from `readAt`. */
import { WalChain, type WalChainEnd, type WalFrame, type WalStop } from "./chain.ts";
import { frameSizeBytes, parseWalHeader, type WalHeader, walHeaderSizeBytes } from "./header.ts";

/** Bytes at a position: a file, or memory. */
export interface ReadAt {
  readonly path: string;
  /** Reads until `buffer` is full or the bytes end. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number;
}

/** How much of a WAL is read and verified at once; a frame of the largest page is 65560 bytes. */
const chunkSizeBytes = 1 << 20;

/**
 * Used again by each call, as most copy one transaction: pages that are taken from the system and given back for each
 * of them cost more than reading and verifying it.
 */
let spareBuffer: Uint8Array | undefined;

/** Verified bytes of a WAL, whole frames. Valid until the next chunk is asked for. */
export interface WalChunk {
  readonly bytes: Uint8Array;
  /** Where these bytes begin in the WAL file. */
  readonly offset: number;
}

/** @throws LitestreamError FORMAT_INVALID */
export function readWalHeader(source: ReadAt): WalHeader {
  const bytes = new Uint8Array(walHeaderSizeBytes);
  return parseWalHeader(bytes.subarray(0, source.readAt(bytes, 0)), source.path);
}

/**
 * Extends `chain` over the frames of `source` up to the file offset `untilOffset` (to the end where absent), giving
 * each verified chunk to `onChunk` before the next is read.
 * @returns why it stopped; `end` when everything up to there was verified
 */
export function extendChain(
  chain: WalChain,
  source: ReadAt,
  untilOffset: number = Number.MAX_SAFE_INTEGER,
  onChunk?: (chunk: WalChunk) => void,
  onFrame?: (frame: WalFrame) => void,
): WalStop {
  const frameSize = frameSizeBytes(chain.header.pageSize);
  const chunkFrames = Math.max(1, Math.floor(chunkSizeBytes / frameSize));
  const buffer = spareBuffer ?? new Uint8Array(chunkSizeBytes);
  spareBuffer = undefined;
  try {
    for (;;) {
      const { offset } = chain.end;
      const size = Math.min(chunkFrames * frameSize, untilOffset - offset);
      if (size <= 0) return "end";
      const bytes = buffer.subarray(0, source.readAt(buffer.subarray(0, size), offset));
      if (bytes.byteLength === 0) return untilOffset === Number.MAX_SAFE_INTEGER ? "end" : "short";
      const { verifiedBytes, stop } = chain.extend(bytes, onFrame);
      if (verifiedBytes > 0) onChunk?.({ bytes: bytes.subarray(0, verifiedBytes), offset });
      if (stop !== "end") return stop;
    }
  } finally {
    spareBuffer = buffer;
  }
}

/** The header and the verified frames of a WAL up to its last whole commit. */
export interface WalProof {
  readonly header: WalHeader;
  /** End of the last commit frame; the end of the header where there is none. */
  readonly end: WalChainEnd;
  /** Why verification stopped: `end` when the file ends with the last verified frame. */
  readonly stop: WalStop;
}

/** @throws LitestreamError FORMAT_INVALID when not even the header is right */
export function proveWal(source: ReadAt): WalProof {
  const header = readWalHeader(source);
  const chain = new WalChain(header);
  const stop = extendChain(chain, source);
  return { header, end: { offset: chain.commit.offset, checksum: chain.commit.checksum }, stop };
}
