/** Reads everything that a restore of any state could need, and says what can be restored, and what is wrong. */
import type { Generation } from "../generation.ts";
import { parseSnapshotKey } from "../layout/generations.ts";
import { parseLtxKey } from "../layout/ltx.ts";
import { parseReaderLeaseKey } from "../layout/reader-lease.ts";
import { claimsWal, parseSideFileKey, type SnapshotEnd, type WalPoints } from "../layout/restore-points.ts";
import { parseSegmentKey } from "../layout/segments.ts";
import { generationsOf } from "../layout/stats.ts";
import { parseWalKey } from "../layout/whole.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { GenerationVerifier } from "./verify-generation.ts";
import { verifyLtx } from "./verify-ltx.ts";
import type { GenerationReport, ReplicaReport } from "./verify-report.ts";

export type { GenerationReport, LtxReport, ObjectProblem, ReplicaReport, RestorableRange } from "./verify-report.ts";

export interface VerifyOptions {
  readonly replica: ReplicaReader;
  readonly signal?: AbortSignal | undefined;
  /** Bytes read so far, as stored, and how many there are to read. */
  readonly onProgress?: ((readBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Verifies all of a replica without restoring it: LZ4 and LTX checksums, the checksum chain of each WAL, the continuity
 * of segments and indexes, and what our side files say. What the formats cannot show is in docs/restore.md.
 * @throws LitestreamError NO_BACKUP is none: an empty replica has an empty report. REPLICA_UNAVAILABLE, ABORTED
 */
export async function verifyReplica(options: VerifyOptions): Promise<ReplicaReport> {
  const { replica, signal, onProgress } = options;
  const sideFiles = (await replica.sideFiles?.list()) ?? [];
  const snapshots = await replica.snapshots();
  const wals = await replica.wals();
  const ltx = (await replica.ltx?.list()) ?? [];
  const objects = (await replica.objects?.()) ?? [];
  const totalBytes = [...snapshots, ...wals, ...ltx].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let readBytes = 0;
  const stop = replica.observeReads?.((bytes) => {
    readBytes = Math.min(readBytes + bytes, totalBytes);
    onProgress?.(readBytes, totalBytes);
  });
  try {
    const ends: SnapshotEnd[] = [];
    const points: WalPoints[] = [];
    const extra = objects.filter(({ key }) => !isKnown(key)).map(({ key }) => key);
    for (const info of sideFiles) {
      const found =
        info.kind === "snapshot"
          ? await replica.sideFiles?.snapshotEnd(info)
          : await replica.sideFiles?.walPoints(info, "end");
      if (found === undefined) extra.push(info.path);
      else if ("end" in found) ends.push(found);
      else points.push(found);
    }
    const generations: GenerationReport[] = [];
    const claimed = points.filter((info) => info.points.length > 0).map(({ generation }) => generation);
    for (const generation of new Set([...generationsOf(snapshots, wals), ...claimed])) {
      const of = <T extends { readonly generation: Generation }>(infos: readonly T[]): T[] =>
        infos.filter((info) => info.generation === generation);
      const verifier = new GenerationVerifier(
        replica,
        generation,
        of(snapshots),
        of(wals),
        of(ends),
        of(points),
        of(sideFiles.filter(claimsWal)).map(({ index }) => index),
        signal,
      );
      using _ahead = replica.readAhead?.(of(wals).map(({ path }) => path));
      generations.push(await verifier.verify());
      extra.push(...verifier.unused);
    }
    const ltxReport = ltx.length === 0 ? undefined : await verifyLtx(replica, ltx, signal);
    const isSound = [...generations, ...(ltxReport === undefined ? [] : [ltxReport])].every(
      ({ damaged, missing }) => damaged.length === 0 && missing.length === 0,
    );
    return { location: replica.location, generations, ltx: ltxReport, extra, isSound };
  } finally {
    stop?.();
  }
}

function isKnown(key: string): boolean {
  const parsers = [parseSnapshotKey, parseWalKey, parseSegmentKey, parseSideFileKey, parseReaderLeaseKey, parseLtxKey];
  return parsers.some((parse) => parse(key) !== undefined);
}
