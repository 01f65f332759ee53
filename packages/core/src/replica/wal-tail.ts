import { isLitestreamError } from "../errors.ts";
import type { WalIndex } from "../position.ts";
import { WalChain } from "../wal/chain.ts";
import { scanWal } from "../wal/scan.ts";
import type { HeldWal } from "./layout-writer.ts";

/**
 * Reads a WAL of a replica back. A tail is not to be believed after a crash: only its whole, proven commits count.
 * @throws LitestreamError BACKUP_DAMAGED when it is compressed and cannot be decompressed
 */
export async function readWalTail(
  index: WalIndex,
  isFinal: boolean,
  content: AsyncIterable<Uint8Array>,
  path: string,
): Promise<HeldWal> {
  try {
    const { header, commit, sizeBytes } = await scanWal(content, path);
    const chain = header === undefined ? undefined : new WalChain(header, commit);
    return { index, isFinal, chain, isTorn: sizeBytes > commit.offset };
  } catch (error) {
    if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
    return { index, isFinal, chain: undefined, isTorn: false };
  }
}

/**
 * True when every frame of a superseded WAL is right, and its last one a commit.
 * @param endOffset where it has to end, where that is known
 */
export async function isWholeWal(
  content: AsyncIterable<Uint8Array>,
  path: string,
  endOffset: number | undefined,
): Promise<boolean> {
  try {
    const { header, commit, sizeBytes } = await scanWal(content, path);
    return header !== undefined && commit.offset === sizeBytes && (endOffset ?? sizeBytes) === sizeBytes;
  } catch (error) {
    if (isLitestreamError(error, "FORMAT_INVALID")) return false;
    throw error;
  }
}
