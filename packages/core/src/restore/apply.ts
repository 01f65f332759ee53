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
import { availableParallelism } from "node:os";
import { throwIfAborted } from "../abort.ts";
import { assert } from "../assert.ts";
import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import { formatPosition, formatWalIndex, type Position, type WalIndex } from "../position.ts";
import { openBlockThreads } from "../lz4/block-threads.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { type DbHeader, dbHeaderSizeBytes, parseDbHeader } from "../db-header.ts";
import type { WalChainEnd, WalFrame } from "../wal/chain.ts";
import type { WalHeader } from "../wal/header.ts";
import { scanWal, type WalScan } from "../wal/scan.ts";
import type { OutputFile } from "./output-file.ts";
import { PageWriter } from "./page-writer.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { isHoleDamage, walEndProblem, walOrderProblem } from "./wal-end.ts";

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
  /**
   * How many threads may be at work: this one, one that writes, and the others decompress ahead. From 1; the number of
   * cores, at most 4, where absent.
   */
  readonly parallelism?: number | undefined;
}

const parallelismMax = 4;
/**
 * This thread and the one that writes. A third, on 2 cores: 279 ms instead of 288 for a restore of 170 MB, and 12 MB
 * more memory.
 */
const threadsWithout = 2;

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
  const { replica, plan, output, signal, onProgress } = options;
  const decodeThreadCount = (options.parallelism ?? defaultParallelism()) - threadsWithout;
  using _threads = openBlockThreads(decodeThreadCount);
  const walCount = plan.wals.length;
  const begin = (i: number): BegunWal | undefined => {
    const index = plan.wals[i];
    return index === undefined ? undefined : new BegunWal(replica.walReader(plan.generation, index), signal);
  };
  let next: BegunWal | undefined;
  try {
    const isAhead = decodeThreadCount > 0;
    const { pageSize, sizeBytes } = await applySnapshot(options, () => {
      if (isAhead) next = begin(0);
    });
    let pageCount = sizeBytes / pageSize;
    let position: Position = { generation: plan.generation, index: plan.snapshot.index, offset: 0 };
    let droppedBytes = 0;
    let headerBefore: WalHeader | undefined;
    const writer = new PageWriter(output, pageSize);

    for (const [i, index] of plan.wals.entries()) {
      const isLast = i === walCount - 1;
      const content = next ?? begin(i);
      assert(content !== undefined, "a WAL is begun before it is applied");
      // The beginning of the next one is decompressed while this one is applied.
      next = isAhead ? begin(i + 1) : undefined;
      const wal = new WalToApply(options, index, writer, pageSize, headerBefore);
      const applied = isLast ? await wal.applyLast(content) : await wal.applySealed(content);
      headerBefore = applied.header;
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
  } finally {
    await next?.close();
  }
}

function defaultParallelism(): number {
  return Math.min(availableParallelism(), parallelismMax);
}

/** @param onRead called when all of it was read, while the last of it is still being written */
async function applySnapshot(
  options: ApplyOptions,
  onRead: () => void,
): Promise<{ pageSize: number; sizeBytes: number }> {
  const { replica, plan, output, signal, onProgress } = options;
  const { generation, snapshot } = plan;
  let sizeBytes = 0;
  for await (const chunk of replica.snapshotReader(generation, snapshot.index)) {
    throwIfAborted(signal, "the restore");
    const chunkBytes = chunk.byteLength;
    await output.writeBehind(chunk, sizeBytes);
    sizeBytes += chunkBytes;
    onProgress?.({ type: "snapshot", index: snapshot.index, writtenBytes: sizeBytes });
  }
  onRead();
  await output.written();
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
  /** Undefined where the WAL has not begun. */
  readonly header: WalHeader | undefined;
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
  readonly #headerBefore: WalHeader | undefined;
  readonly #writer: PageWriter;
  readonly #path: string;

  constructor(
    options: ApplyOptions,
    index: WalIndex,
    writer: PageWriter,
    pageSize: number,
    headerBefore: WalHeader | undefined,
  ) {
    this.#writer = writer;
    this.#headerBefore = headerBefore;
    this.#options = options;
    this.#index = index;
    this.#pageSize = pageSize;
    this.#path = `${options.replica.location}: WAL ${options.plan.generation}/${formatWalIndex(index)}`;
  }

  async applySealed(content: AsyncIterable<Uint8Array>): Promise<AppliedWal> {
    const writer = this.#writer;
    const scan = await this.#scan(content, (frame, page) => writer.write(frame.pgno, page));
    if (scan.header === undefined) throw this.#damaged(0, `it has ${scan.sizeBytes} bytes, less than a header`);
    if (scan.stop !== "end") throw this.#damaged(scan.endOffset, whyStopped(scan));
    if (scan.commit.offset !== scan.endOffset) {
      throw this.#damaged(scan.commit.offset, "its last transaction has no end, and another WAL follows");
    }
    this.#checkEnd(scan);
    writer.flush();
    return {
      header: scan.header,
      offset: scan.commit.offset,
      pageCount: scan.commit.pageCount,
      droppedBytes: 0,
    };
  }

  /**
   * Holds the pages of each transaction until its commit, as where the last one ends is known only at the end. Where a
   * transaction is too large to be held, the WAL is read twice.
   */
  async applyLast(content: AsyncIterable<Uint8Array>): Promise<AppliedWal> {
    const { plan } = this.#options;
    const writer = this.#writer;
    let committedCount = 0;
    let isHeld = true;
    const onFrame = (frame: WalFrame, page: Uint8Array): void => {
      if (!isHeld) return;
      if (writer.isFull && committedCount > 0) {
        writer.flush(committedCount);
        committedCount = 0;
      }
      if (writer.isFull) {
        isHeld = false;
        return;
      }
      writer.hold(frame.pgno, page);
      if (frame.commitPageCount > 0) committedCount = writer.heldCount;
    };
    const scan = await this.#scan(content, onFrame, plan.lastWalUntil);
    const isInvalid = scan.stop === "salt" || scan.stop === "checksum";
    if (isInvalid && isHoleDamage(plan, this.#index, scan)) throw this.#damaged(scan.endOffset, whyStopped(scan));
    this.#checkEnd(scan);
    if (scan.header === undefined) {
      if (!plan.lastWalIsGrowing) throw this.#damaged(0, `it has ${scan.sizeBytes} bytes, less than a header`);
      return { header: undefined, offset: 0, pageCount: 0, droppedBytes: scan.sizeBytes };
    }
    if (isHeld) writer.flush(committedCount);
    writer.clear();
    const { offset, pageCount } = scan.commit;
    if (!isHeld && pageCount > 0) await this.#applyUntil(scan.commit);
    return { header: scan.header, offset, pageCount, droppedBytes: scan.sizeBytes - offset };
  }

  /** From its beginning: pages that are in the output already are written again, in the same order. */
  async #applyUntil({ offset, checksum }: WalChainEnd): Promise<void> {
    const { replica, plan, signal } = this.#options;
    const writer = this.#writer;
    const content = untilAborted(replica.walReader(plan.generation, this.#index), signal);
    const { commit } = await this.#scan(content, (frame, page) => writer.write(frame.pgno, page), offset);
    writer.flush();
    if (commit.offset !== offset || commit.checksum.s1 !== checksum.s1 || commit.checksum.s2 !== checksum.s2) {
      throw this.#damaged(commit.offset, "it was changed while it was read");
    }
  }

  #checkEnd(scan: WalScan): void {
    const problem = walEndProblem(this.#options.plan, this.#index, scan);
    if (problem !== undefined) throw this.#damaged(problem.offset, problem.why);
  }

  async #scan(
    content: AsyncIterable<Uint8Array>,
    onFrame: (frame: WalFrame, page: Uint8Array) => void,
    untilOffset?: number,
  ): Promise<WalScan> {
    let scan: WalScan;
    try {
      scan = await scanWal(
        content,
        this.#path,
        (frame, page) => {
          if (page.byteLength !== this.#pageSize) throw this.#otherPageSize(page.byteLength);
          onFrame(frame, page);
        },
        untilOffset,
      );
    } catch (error) {
      if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
      throw this.#damagedBecause(errorMessage(error), 0, error);
    }
    if (scan.header !== undefined && scan.header.pageSize !== this.#pageSize) {
      throw this.#otherPageSize(scan.header.pageSize);
    }
    if (scan.header !== undefined && this.#headerBefore !== undefined) {
      const problem = walOrderProblem(this.#headerBefore, this.#index, scan.header);
      if (problem !== undefined) throw this.#damaged(problem.offset, problem.why);
    }
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

/** A WAL whose first chunk is asked for before anybody reads it. */
class BegunWal implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>;
  #first: Promise<IteratorResult<Uint8Array, void>> | undefined;

  constructor(content: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.#chunks = untilAborted(content, signal);
    this.#first = this.#chunks.next();
    // Whoever reads it gets the error.
    this.#first.catch(() => undefined);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, void, undefined> {
    return {
      next: () => {
        const result = this.#first ?? this.#chunks.next();
        this.#first = undefined;
        return result;
      },
      return: async () => {
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }

  /** Ends reading, where it was not read to its end. */
  async close(): Promise<void> {
    await this.#first?.catch(() => undefined);
    await this.#chunks.return();
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
