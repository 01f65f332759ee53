import { throwIfAborted } from "../abort.ts";
import { LitestreamError } from "../errors.ts";
import type { LocalFile } from "../local-file.ts";
import { formatPosition } from "../position.ts";
import { WalChain } from "../wal/chain.ts";
import { readWalHeader } from "../wal/file.ts";
import { frameSizeBytes } from "../wal/header.ts";
import type { SourceState } from "../wal-source.ts";

/** How much of the WAL is applied before others get their turn. */
const stepSizeBytes = 1 << 20;

/**
 * Writes the database as of a position: its file, then the frames of the WAL over it, in their order.
 * @returns pages in it
 */
export async function copyState(
  state: SourceState,
  target: LocalFile,
  signal: AbortSignal,
  onCopied: (bytes: number) => void = () => undefined,
): Promise<number> {
  const { pageSize } = state;
  let sizeBytes = 0;
  for await (const chunk of state.content()) {
    throwIfAborted(signal, "the validation");
    target.writeAt(chunk, sizeBytes);
    sizeBytes += chunk.byteLength;
    onCopied(sizeBytes);
  }
  const pageCount = (await applyWal(state, target, signal)) ?? Math.floor(sizeBytes / pageSize);
  target.truncate(pageCount * pageSize);
  return pageCount;
}

/** @returns pages after its last commit; undefined where it has none */
async function applyWal(
  { wal, position, pageSize }: SourceState,
  target: LocalFile,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (wal === undefined) return undefined;
  const chain = new WalChain(readWalHeader(wal));
  const frameSize = frameSizeBytes(pageSize);
  const buffer = new Uint8Array(Math.max(1, Math.floor(stepSizeBytes / frameSize)) * frameSize);
  while (chain.end.offset < position.offset) {
    throwIfAborted(signal, "the validation");
    const { offset } = chain.end;
    const wanted = buffer.subarray(0, Math.min(buffer.byteLength, position.offset - offset));
    const bytes = wanted.subarray(0, wal.readAt(wanted, offset));
    const { verifiedBytes } = chain.extend(bytes, ({ pgno, pageStart }) => {
      target.writeAt(bytes.subarray(pageStart, pageStart + pageSize), (pgno - 1) * pageSize);
    });
    if (verifiedBytes === 0 || verifiedBytes < wanted.byteLength) {
      throw new LitestreamError("SHADOW_DAMAGED", `${wal.path} is not whole up to ${formatPosition(position)}`, {
        path: wal.path,
        position: formatPosition(position),
        offset: chain.end.offset,
        hint: "Replication finds that out, too, and begins another generation.",
      });
    }
    await new Promise((done) => setImmediate(done));
  }
  return chain.commit.pageCount === 0 ? undefined : chain.commit.pageCount;
}
