/**
 * Writes the objects of a restore into the output, page by page and without SQLite.
 *
 * A WAL that another one follows is whole: every frame verified, the last one a commit. The last WAL is cut to its last
 * commit, and what is cut off is reported:
 * - a transaction without its end, which was never said to be replicated;
 * - in a WAL that grows in place, also bytes that are no frames, if no frame behind them is right either: so an append
 *   looks that a power failure interrupted. A frame that fails with right ones behind it is damage, and an error.
 * Nothing can be told about frames missing from the end of the last WAL: a replica holds what it holds.
 */
import { throwIfAborted } from "../abort.ts";
import { assert } from "../assert.ts";
import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import { formatPosition, formatWalIndex, type Position, type WalIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { type DbHeader, dbHeaderSizeBytes, parseDbHeader } from "../db-header.ts";
import { walHeaderSizeBytes } from "../wal/header.ts";
import { scanWal, type WalScan } from "../wal/scan.ts";
import type { OutputFile } from "./output-file.ts";
import { PageWriter } from "./page-writer.ts";
import type { RestorePlan } from "./plan.ts";

const damagedHint = "Restore from another replica, or another generation with -generation.";

/** How far a restore has come. */
export type RestoreProgress =
  | { readonly type: "plan"; readonly plan: RestorePlan }
  /** Bytes of the snapshot written so far. */
  | { readonly type: "snapshot"; readonly index: WalIndex; readonly writtenBytes: number }
  /** A WAL was applied: the `count`-th of `walCount`. */
  | { readonly type: "wal"; readonly index: WalIndex; readonly count: number; readonly walCount: number };

export interface ApplyOptions {
  readonly replica: ReplicaReader;
  readonly plan: RestorePlan;
  readonly output: OutputFile;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: RestoreProgress) => void) | undefined;
}

/** The state that the output holds. */
export interface AppliedState {
  /** End of the last commit that was applied; offset 0 of the snapshot's index where no WAL was. */
  readonly position: Position;
  readonly pageSize: number;
  readonly pageCount: number;
  /** Bytes at the end of the last WAL that make no whole transaction. */
  readonly droppedBytes: number;
}

/** @throws LitestreamError BACKUP_DAMAGED, OBJECT_MISSING, OUTPUT_UNAVAILABLE, ABORTED */
export async function applyPlan(options: ApplyOptions): Promise<AppliedState> {
  const { plan, output, onProgress } = options;
  const { pageSize, sizeBytes } = await applySnapshot(options);
  const walCount = plan.wals.length;
  let pageCount = sizeBytes / pageSize;
  let position: Position = { generation: plan.generation, index: plan.snapshot.index, offset: 0 };
  let droppedBytes = 0;

  for (const [i, index] of plan.wals.entries()) {
    const isLast = i === walCount - 1;
    const wal = new WalToApply(options, index, pageSize);
    const applied = isLast ? await wal.applyLast() : await wal.applySealed();
    if (applied.offset > 0) position = { generation: plan.generation, index, offset: applied.offset };
    if (applied.pageCount > 0) {
      pageCount = applied.pageCount;
      // As SQLite's checkpoint does: a later WAL that grows the database again must find zeros there, no old pages.
      output.setSize(pageCount * pageSize);
    }
    droppedBytes = applied.droppedBytes;
    onProgress?.({ type: "wal", index, count: i + 1, walCount });
  }
  requireSoundHeader(options, pageSize, pageCount);
  return { position, pageSize, pageCount, droppedBytes };
}

async function applySnapshot(options: ApplyOptions): Promise<{ pageSize: number; sizeBytes: number }> {
  const { replica, plan, output, signal, onProgress } = options;
  const { generation, snapshot } = plan;
  let sizeBytes = 0;
  for await (const chunk of replica.snapshotReader(generation, snapshot.index)) {
    throwIfAborted(signal, "the restore");
    output.writeAt(chunk, sizeBytes);
    sizeBytes += chunk.byteLength;
    onProgress?.({ type: "snapshot", index: snapshot.index, writtenBytes: sizeBytes });
  }
  const damaged = (why: string, cause?: unknown): LitestreamError =>
    new LitestreamError("BACKUP_DAMAGED", `damaged snapshot: ${replica.location}/${snapshot.path}: ${why}`, {
      path: `${replica.location}/${snapshot.path}`,
      position: formatPosition({ generation, index: snapshot.index, offset: 0 }),
      hint: damagedHint,
      cause,
    });
  let header: DbHeader;
  try {
    header = readDbHeader(output);
  } catch (error) {
    if (!isLitestreamError(error, "DATABASE_INVALID")) throw error;
    throw damaged(`${sizeBytes} bytes that are no SQLite database`, error);
  }
  if (sizeBytes % header.pageSize !== 0) {
    throw damaged(`${sizeBytes} bytes are no whole number of pages of ${header.pageSize} bytes`);
  }
  return { pageSize: header.pageSize, sizeBytes };
}

function readDbHeader(output: OutputFile): DbHeader {
  const bytes = new Uint8Array(dbHeaderSizeBytes);
  return parseDbHeader(bytes.subarray(0, output.readAt(bytes, 0)), output.path);
}

/** What SQLite itself checks before it trusts a database file (btree.c, lockBtree). */
function requireSoundHeader({ replica, plan, output }: ApplyOptions, pageSize: number, pageCount: number): void {
  const bytes = new Uint8Array(dbHeaderSizeBytes);
  const view = new DataView(bytes.buffer);
  output.readAt(bytes, 0);
  // The size in the header counts only if written by a version that keeps it: then these two counters are the same.
  const sizeCounts = view.getUint32(24) === view.getUint32(92);
  const headerPageCount = sizeCounts ? view.getUint32(28) : 0;
  let why: string | undefined;
  try {
    const header = parseDbHeader(bytes, output.path);
    if (header.pageSize !== pageSize) why = `its pages have ${pageSize} bytes, and its header says ${header.pageSize}`;
  } catch (error) {
    why = errorMessage(error);
  }
  if (headerPageCount > pageCount) why = `it has ${pageCount} pages, and its header says ${headerPageCount}`;
  if (why === undefined) return;
  throw new LitestreamError(
    "BACKUP_DAMAGED",
    `generation ${plan.generation} in ${replica.location} does not give a sound database: ${why}`,
    { path: replica.location, hint: damagedHint },
  );
}

interface AppliedWal {
  /** End of the last commit; 0 where the WAL has not begun. */
  readonly offset: number;
  /** Size of the database after it; 0 where the WAL holds no commit. */
  readonly pageCount: number;
  readonly droppedBytes: number;
}

class WalToApply {
  readonly #options: ApplyOptions;
  readonly #index: WalIndex;
  readonly #pageSize: number;
  readonly #path: string;

  constructor(options: ApplyOptions, index: WalIndex, pageSize: number) {
    this.#options = options;
    this.#index = index;
    this.#pageSize = pageSize;
    this.#path = `${options.replica.location}: WAL ${options.plan.generation}/${formatWalIndex(index)}`;
  }

  async applySealed(): Promise<AppliedWal> {
    const scan = await this.#scan({ write: true });
    if (scan.header === undefined) throw this.#damaged(0, `it has ${scan.sizeBytes} bytes, less than a header`);
    if (scan.stop !== "end") throw this.#damaged(scan.endOffset, whyStopped(scan));
    if (scan.commit.offset !== scan.endOffset) {
      throw this.#damaged(scan.commit.offset, "its last transaction has no end, and another WAL follows");
    }
    return { offset: scan.commit.offset, pageCount: scan.commit.pageCount, droppedBytes: 0 };
  }

  /** Reads it twice: where its last commit ends is known only at its end. */
  async applyLast(): Promise<AppliedWal> {
    const { lastWalIsGrowing } = this.#options.plan;
    const scan = await this.#scan({ write: false });
    if (scan.header === undefined) {
      if (!lastWalIsGrowing) throw this.#damaged(0, `it has ${scan.sizeBytes} bytes, less than a header`);
      return { offset: 0, pageCount: 0, droppedBytes: scan.sizeBytes };
    }
    const isInvalid = scan.stop === "salt" || scan.stop === "checksum";
    if (isInvalid && (!lastWalIsGrowing || scan.continues)) throw this.#damaged(scan.endOffset, whyStopped(scan));
    const { offset, pageCount, checksum } = scan.commit;
    if (offset > walHeaderSizeBytes) {
      const { commit } = await this.#scan({ write: true, untilOffset: offset });
      if (commit.offset !== offset || commit.checksum.s1 !== checksum.s1 || commit.checksum.s2 !== checksum.s2) {
        throw this.#damaged(commit.offset, "it was changed while it was read");
      }
    }
    return { offset, pageCount, droppedBytes: scan.sizeBytes - offset };
  }

  async #scan(options: { write: boolean; untilOffset?: number }): Promise<WalScan> {
    const { replica, plan, output, signal } = this.#options;
    const writer = options.write ? new PageWriter(output, this.#pageSize) : undefined;
    const content = untilAborted(replica.walReader(plan.generation, this.#index), signal);
    let scan: WalScan;
    try {
      scan = await scanWal(
        content,
        this.#path,
        (frame, page) => {
          if (page.byteLength !== this.#pageSize) throw this.#otherPageSize(page.byteLength);
          writer?.write(frame.pgno, page);
        },
        options.untilOffset,
      );
    } catch (error) {
      if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
      throw this.#damagedBecause(errorMessage(error), 0, error);
    }
    if (scan.header !== undefined && scan.header.pageSize !== this.#pageSize) {
      throw this.#otherPageSize(scan.header.pageSize);
    }
    writer?.flush();
    assert(scan.commit.offset <= scan.endOffset, "a commit ends within the verified frames");
    return scan;
  }

  #otherPageSize(pageSize: number): LitestreamError {
    return this.#damaged(8, `its pages have ${pageSize} bytes, those of the snapshot ${this.#pageSize}`);
  }

  #damaged(offset: number, why: string): LitestreamError {
    return this.#damagedBecause(`damaged WAL: ${this.#path}: at byte ${offset}: ${why}`, offset);
  }

  #damagedBecause(message: string, offset: number, cause?: unknown): LitestreamError {
    const { generation } = this.#options.plan;
    return new LitestreamError("BACKUP_DAMAGED", message, {
      path: this.#path,
      position: formatPosition({ generation, index: this.#index, offset }),
      offset,
      hint: damagedHint,
      cause,
    });
  }
}

function whyStopped(scan: WalScan): string {
  switch (scan.stop) {
    case "salt":
      return "a frame has other salts than its WAL: it belongs to another WAL, or was changed";
    case "checksum":
      return "a frame fails its checksum";
    case "short":
      return "it ends inside a frame";
    case "end":
      return "it ends";
  }
}

async function* untilAborted(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of content) {
    throwIfAborted(signal, "the restore");
    yield chunk;
  }
}
