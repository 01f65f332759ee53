/**
 * Writes LTX files into the output, in their order: later pages win. Each file proves itself at its end (LtxDecoder),
 * so nothing counts before all of them were read.
 */
import { throwIfAborted } from "../abort.ts";
import { LitestreamError } from "../errors.ts";
import type { LtxInfo, LtxPlan } from "../layout/ltx.ts";
import { LtxDecoder } from "../ltx/decoder.ts";
import { formatTxid } from "../ltx/txid.ts";
import type { LtxFiles } from "../replica-reader.ts";
import type { OutputFile } from "./output-file.ts";
import { PageWriter } from "./page-writer.ts";

export interface LtxProgress {
  /** A file was applied: the `count`-th of `fileCount`. */
  readonly type: "ltx";
  readonly info: LtxInfo;
  readonly count: number;
  readonly fileCount: number;
}

export interface ApplyLtxOptions {
  readonly location: string;
  readonly ltx: LtxFiles;
  readonly plan: LtxPlan;
  readonly output: OutputFile;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: LtxProgress) => void) | undefined;
}

/** What one file leaves. */
interface AppliedLtx {
  readonly pageSize: number;
  readonly pageCount: number;
  /** Of all pages after it; 0 where it is not kept, as in all files by Litestream 0.5. */
  readonly checksum: bigint;
  readonly info: LtxInfo;
}

/** @throws LitestreamError BACKUP_DAMAGED, OBJECT_MISSING, OUTPUT_UNAVAILABLE, ABORTED */
export async function applyLtx(options: ApplyLtxOptions): Promise<{ pageSize: number; pageCount: number }> {
  const { plan, onProgress, signal } = options;
  let applied: AppliedLtx | undefined;
  for (const [i, info] of plan.files.entries()) {
    throwIfAborted(signal, "the restore");
    applied = await applyFile(options, info, applied);
    onProgress?.({ type: "ltx", info, count: i + 1, fileCount: plan.files.length });
  }
  if (applied === undefined) throw new TypeError("a plan has at least one file");
  return { pageSize: applied.pageSize, pageCount: applied.pageCount };
}

async function applyFile(
  { location, ltx, output, signal }: ApplyLtxOptions,
  info: LtxInfo,
  before: AppliedLtx | undefined,
): Promise<AppliedLtx> {
  const path = `${location}/${info.path}`;
  const damaged = (why: string): LitestreamError =>
    new LitestreamError("BACKUP_DAMAGED", `damaged LTX file: ${path}: ${why}`, {
      path,
      hint: "Put an undamaged copy of this file in its place, or restore from another replica.",
    });
  await using decoder = await LtxDecoder.open(ltx.read(info), { path, expected: info });
  const { pageSize, commit, preApplyChecksum } = decoder.header;
  if (before !== undefined && pageSize !== before.pageSize) {
    throw damaged(`its pages have ${pageSize} bytes, those of the file before it ${before.pageSize}`);
  }
  const follows = before !== undefined && info.minTxid === before.info.maxTxid + 1n;
  if (follows && preApplyChecksum !== 0n && before.checksum !== 0n && preApplyChecksum !== before.checksum) {
    throw damaged(
      `it does not continue the state after transaction ${formatTxid(before.info.maxTxid)}: another checksum`,
    );
  }
  const writer = new PageWriter(output, pageSize);
  for (let page = await decoder.nextPage(); page !== undefined; page = await decoder.nextPage()) {
    if (signal?.aborted === true) throwIfAborted(signal, "the restore");
    writer.write(page.pgno, page.data);
  }
  writer.flush();
  output.setSize(commit * pageSize);
  return { pageSize, pageCount: commit, checksum: decoder.trailer?.postApplyChecksum ?? 0n, info };
}
