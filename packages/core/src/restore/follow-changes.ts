/** Reads what a replica holds beyond a state, verifies it, and appends it to a transaction of the copy. */
import { throwIfAborted } from "../abort.ts";
import { errorMessage, isLitestreamError, LitestreamError } from "../errors.ts";
import type { LtxInfo } from "../layout/ltx.ts";
import { LtxDecoder } from "../ltx/decoder.ts";
import { formatPosition, formatWalIndex, type Position, type WalIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import type { CopyTransaction } from "../sqlite/followed-copy.ts";
import type { WalChainEnd } from "../wal/chain.ts";
import {
  formatWalHeader,
  parseWalHeader,
  sameSalts,
  walFrameHeaderSizeBytes,
  type WalHeader,
  walHeaderSizeBytes,
} from "../wal/header.ts";
import { scanWal, type WalScan } from "../wal/scan.ts";
import type { FollowedLtx, FollowedWal } from "./follow-state.ts";
import type { FullListing } from "./listing.ts";
import type { RecordedEnd } from "./restore-plan.ts";
import { isHoleDamage, type WalExpectations, walEndProblem, walOrderProblem } from "./wal-end.ts";

export interface ChangeSource {
  readonly replica: ReplicaReader;
  readonly listing: FullListing;
  readonly pageSize: number;
  readonly signal: AbortSignal | undefined;
}

/** The copy's state does not go on in the replica: the latest state has to replace it. */
export class NotContinued extends Error {}

/** @throws NotContinued; LitestreamError BACKUP_DAMAGED, OBJECT_MISSING, COPY_UNUSABLE, ABORTED */
export async function appendWals(
  source: ChangeSource,
  from: FollowedWal,
  indexes: readonly WalIndex[],
  transaction: CopyTransaction,
): Promise<FollowedWal> {
  let state = from;
  let before: WalHeader | undefined;
  for (const index of indexes) {
    const isLast = index === indexes.at(-1);
    const isFirst = index === from.position.index;
    const reader = new WalChanges(source, { ...from.position, index, offset: 0 }, isLast, before);
    const found = await reader.append(isFirst ? from : undefined, transaction);
    before = found.header;
    // The newest WAL may not have begun.
    if (before === undefined) continue;
    state = {
      layout: "wal",
      position: { ...from.position, index, offset: found.commit.offset },
      chain: { salts: before.salts, checksum: found.commit.checksum },
    };
  }
  return state;
}

/** @throws LitestreamError BACKUP_DAMAGED, OBJECT_MISSING, COPY_UNUSABLE, ABORTED */
export async function appendLtx(
  { replica, pageSize, signal }: ChangeSource,
  files: readonly LtxInfo[],
  transaction: CopyTransaction,
): Promise<FollowedLtx | undefined> {
  for (const info of files) {
    if (replica.ltx === undefined) throw new TypeError("a plan of LTX files comes from a replica that has them");
    const path = `${replica.location}/${info.path}`;
    await using decoder = await LtxDecoder.open(replica.ltx.read(info), { path, expected: info });
    if (decoder.header.pageSize !== pageSize) throw otherPageSize(path, decoder.header.pageSize, pageSize);
    const framesBefore = transaction.frameCount;
    for (let page = await decoder.nextPage(); page !== undefined; page = await decoder.nextPage()) {
      if (signal?.aborted === true) throwIfAborted(signal, "following");
      transaction.append(page.pgno, page.data);
    }
    // It is proven at its end: only now may anything of it count.
    if (transaction.frameCount > framesBefore) transaction.markCommit(decoder.header.commit);
  }
  const last = files.at(-1);
  return last === undefined ? undefined : { layout: "ltx", txid: last.maxTxid };
}

export function otherPageSize(path: string, pageSize: number, copyPageSize: number): LitestreamError {
  return new LitestreamError(
    "COPY_UNUSABLE",
    `the database has pages of ${pageSize} bytes now, and the copy of ${copyPageSize}: ${path}`,
    { path, hint: "Remove the copy with all that lies beside it, let it be restored again, and open it anew." },
  );
}

class WalChanges {
  readonly #source: ChangeSource;
  readonly #start: Position;
  readonly #isLast: boolean;
  readonly #before: WalHeader | undefined;
  readonly #path: string;

  constructor(source: ChangeSource, start: Position, isLast: boolean, before: WalHeader | undefined) {
    this.#source = source;
    this.#start = start;
    this.#isLast = isLast;
    this.#before = before;
    this.#path = `${source.replica.location}: WAL ${start.generation}/${formatWalIndex(start.index)}`;
  }

  /** @param from where the copy is in this WAL; undefined where it is before it */
  async append(from: FollowedWal | undefined, transaction: CopyTransaction): Promise<WalScan> {
    const known = from === undefined ? undefined : this.#chainEnd(from);
    const skipUntil = from?.position.offset ?? 0;
    const { signal, pageSize } = this.#source;
    const header = known === undefined ? undefined : await this.#header();
    if (header !== undefined && from?.chain !== undefined && !sameSalts(header.salts, from.chain.salts)) {
      throw new NotContinued(`WAL ${formatWalIndex(this.#start.index)} is another one by now`);
    }
    let offset = known?.offset ?? walHeaderSizeBytes;
    let isCommitAtSkip = skipUntil <= walHeaderSizeBytes || known !== undefined;
    const scan = await this.#scan(this.#content(header, known), known, (pgno, commitPageCount, page) => {
      if (signal?.aborted === true) throwIfAborted(signal, "following");
      if (page.byteLength !== pageSize) throw otherPageSize(this.#path, page.byteLength, pageSize);
      offset += page.byteLength + walFrameHeaderSizeBytes;
      if (offset <= skipUntil) {
        if (offset === skipUntil) isCommitAtSkip = commitPageCount > 0;
        return;
      }
      transaction.append(pgno, page);
      if (commitPageCount > 0) transaction.markCommit(commitPageCount);
    });
    if (!isCommitAtSkip || scan.commit.offset < skipUntil) {
      throw new NotContinued(`WAL ${formatWalIndex(this.#start.index)} does not hold what the copy has of it`);
    }
    this.#requireSound(scan);
    return scan;
  }

  #chainEnd({ position, chain }: FollowedWal): WalChainEnd | undefined {
    if (chain === undefined || position.offset <= walHeaderSizeBytes) return undefined;
    return { offset: position.offset, checksum: chain.checksum };
  }

  async #header(): Promise<WalHeader> {
    const { replica } = this.#source;
    const bytes = new Uint8Array(walHeaderSizeBytes);
    let size = 0;
    for await (const chunk of replica.walReader(this.#start.generation, this.#start.index)) {
      bytes.set(chunk.subarray(0, bytes.byteLength - size), size);
      size += chunk.byteLength;
      if (size >= bytes.byteLength) break;
    }
    return this.#guard(() => parseWalHeader(bytes.subarray(0, size), this.#path));
  }

  async *#content(
    header: WalHeader | undefined,
    known: WalChainEnd | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { generation, index } = this.#start;
    if (header !== undefined) yield formatWalHeader(header);
    yield* this.#source.replica.walReader(generation, index, known?.offset);
  }

  async #scan(
    content: AsyncIterable<Uint8Array>,
    known: WalChainEnd | undefined,
    onFrame: (pgno: number, commitPageCount: number, page: Uint8Array) => void,
  ): Promise<WalScan> {
    try {
      return await scanWal(
        content,
        this.#path,
        ({ pgno, commitPageCount }, page) => onFrame(pgno, commitPageCount, page),
        undefined,
        known,
      );
    } catch (error) {
      if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
      throw this.#damaged(0, errorMessage(error));
    }
  }

  #requireSound(scan: WalScan): void {
    const { index } = this.#start;
    const { header, stop, commit, endOffset } = scan;
    const expectations = this.#expectations();
    if (!this.#isLast) {
      if (header === undefined) throw this.#damaged(0, `it has ${scan.sizeBytes} bytes, less than a header`);
      if (stop !== "end" || commit.offset !== endOffset) {
        throw this.#damaged(commit.offset, "its last transaction has no end, and another WAL follows");
      }
    }
    if ((stop === "salt" || stop === "checksum") && isHoleDamage(expectations, index, scan)) {
      throw this.#damaged(endOffset, "a frame there does not continue it");
    }
    const problem =
      walEndProblem(expectations, index, scan) ??
      (header === undefined || this.#before === undefined ? undefined : walOrderProblem(this.#before, index, header));
    if (problem !== undefined) throw this.#damaged(problem.offset, problem.why);
  }

  #expectations(): WalExpectations {
    const { generation, index } = this.#start;
    const { listing } = this.#source;
    const recordedEnds = new Map<WalIndex, RecordedEnd>();
    const points = listing.walPoints?.find((found) => found.generation === generation && found.index === index);
    const point = points?.sealed ?? points?.points.at(-1);
    if (points !== undefined && point !== undefined) {
      const { offset, checksum } = point;
      recordedEnds.set(index, { salts: points.salts, offset, checksum, isSealed: points.sealed !== undefined });
    }
    const forms = listing.wals.filter((info) => info.generation === generation && info.index === index);
    const lastWalIsGrowing = this.#isLast && forms.every(({ compressed }) => !compressed);
    return { recordedEnds, snapshotEnd: undefined, lastWalIsGrowing };
  }

  #guard<T>(parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
      throw this.#damaged(0, errorMessage(error));
    }
  }

  #damaged(offset: number, why: string): LitestreamError {
    return new LitestreamError("BACKUP_DAMAGED", `damaged WAL: ${this.#path}: at byte ${offset}: ${why}`, {
      path: this.#path,
      position: formatPosition({ ...this.#start, offset }),
      offset,
      hint: "The copy keeps its last state until the replica can be read, or has a newer snapshot.",
    });
  }
}
