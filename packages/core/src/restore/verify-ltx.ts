import { throwIfAborted } from "../abort.ts";
import { isLitestreamError } from "../errors.ts";
import { ltxFileSizeBytesMin, type LtxInfo, ltxStates, planLtx } from "../layout/ltx.ts";
import { LtxDecoder } from "../ltx/decoder.ts";
import { formatTxid } from "../ltx/txid.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { type LtxReport, type ObjectProblem, withoutPath } from "./verify-report.ts";

export async function verifyLtx(
  replica: ReplicaReader,
  files: readonly LtxInfo[],
  signal: AbortSignal | undefined,
): Promise<LtxReport> {
  const damaged: ObjectProblem[] = [];
  for (const info of files) {
    throwIfAborted(signal, "verifying");
    try {
      await readLtx(replica, info, signal);
    } catch (error) {
      if (!isLitestreamError(error, "BACKUP_DAMAGED", "FORMAT_INVALID", "OBJECT_MISSING")) throw error;
      damaged.push({ path: info.path, why: withoutPath(error, replica.location) });
    }
  }
  const exclude = new Set(damaged.map(({ path }) => path));
  const states = ltxStates(files, exclude);
  const found = planLtx(files, {}, exclude);
  const missing: ObjectProblem[] = [];
  if (found.kind === "obstacle") {
    const range = found.missing;
    const why =
      range === undefined
        ? "transactions"
        : `transactions ${formatTxid(range.minTxid)} to ${formatTxid(range.maxTxid)}`;
    missing.push({ path: "ltx", why: `${why} are in no file that can be used` });
  }
  const [first, last] = [states[0], states.at(-1)];
  return {
    firstTxid: first?.txid,
    lastTxid: last?.txid,
    from: first?.createdAt,
    to: last?.createdAt,
    damaged,
    missing,
  };
}

async function readLtx(replica: ReplicaReader, info: LtxInfo, signal: AbortSignal | undefined): Promise<void> {
  if (replica.ltx === undefined || info.sizeBytes < ltxFileSizeBytesMin) {
    const path = `${replica.location}/${info.path}`;
    await using short = await LtxDecoder.open(replica.ltx?.read(info) ?? empty(), { path, expected: info });
    while ((await short.nextPage()) !== undefined);
    return;
  }
  await using decoder = await LtxDecoder.open(replica.ltx.read(info), {
    path: `${replica.location}/${info.path}`,
    expected: info,
  });
  while ((await decoder.nextPage()) !== undefined) throwIfAborted(signal, "verifying");
}

async function* empty(): AsyncGenerator<Uint8Array, void, undefined> {}
