import { isLitestreamError, LitestreamError } from "../errors.ts";
import type { WalIndex } from "../position.ts";
import { WalChain, type WalChainEnd } from "../wal/chain.ts";
import { WalStreamVerifier } from "../wal/stream.ts";

/** What was found when the newest WAL of a replica was read back. */
export interface WalTail {
  readonly index: WalIndex;
  readonly isCompressed: boolean;
  /** Ends with the last whole commit; undefined where not even the WAL's header is right. */
  readonly chain: WalChain | undefined;
  readonly end: WalChainEnd;
  /** Size of the (uncompressed) file: more than `end.offset` where a crash left a torn tail. */
  readonly sizeBytes: number;
}

/** Reads a WAL of a replica back. A tail is not to be believed after a crash: only its whole, proven commits count. */
export async function proveTail(
  index: WalIndex,
  isCompressed: boolean,
  content: AsyncIterable<Uint8Array>,
  path: string,
): Promise<WalTail> {
  const verifier = new WalStreamVerifier(path);
  try {
    for await (const bytes of content) verifier.push(bytes);
  } catch (error) {
    if (!isLitestreamError(error, "FORMAT_INVALID", "BACKUP_DAMAGED")) throw error;
  }
  const { chain: read, sizeBytes } = verifier;
  if (read === undefined) {
    return { index, isCompressed, chain: undefined, end: { offset: 0, checksum: { s1: 0, s2: 0 } }, sizeBytes };
  }
  const chain = new WalChain(read.header, read.commit);
  return { index, isCompressed, chain, end: chain.end, sizeBytes };
}

/**
 * Passes on a superseded WAL of a replica, whose every frame must be right, before it is compressed and deleted.
 * @param endOffset where it has to end, where that is known
 * @throws LitestreamError BACKUP_DAMAGED at its end
 */
export async function* provenWhole(
  content: AsyncIterable<Uint8Array>,
  path: string,
  endOffset: number | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const verifier = new WalStreamVerifier(path);
  for await (const bytes of content) {
    verifier.push(bytes);
    yield bytes;
  }
  const { chain, sizeBytes, stop } = verifier;
  const isWhole = stop === "end" && chain !== undefined && chain.commit.offset === sizeBytes;
  if (isWhole && (endOffset === undefined || endOffset === sizeBytes)) return;
  throw new LitestreamError("BACKUP_DAMAGED", `the replicated WAL ${path} is damaged at offset ${chain?.end.offset ?? 0}`, {
    path,
    offset: chain?.end.offset ?? 0,
    hint: "Check the replica's disk. A new generation is begun; this one may not restore beyond that WAL.",
  });
}
