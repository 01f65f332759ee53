/** Reads what a plan is made from. */
import { mapConcurrently } from "../concurrently.ts";
import type { Generation } from "../generation.ts";
import type { SnapshotInfo } from "../layout/objects.ts";
import type { SnapshotEnd, WalPoints } from "../layout/restore-points.ts";
import type { LtxInfo } from "../layout/ltx.ts";
import { withHeaderTimes } from "../layout/ltx-times.ts";
import type { WalIndex } from "../position.ts";
import type { ReplicaReader, SideFileInfo, SideFiles } from "../replica-reader.ts";
import { newestFiles } from "./newest-layout.ts";
import type { AnyTarget } from "./restore-options.ts";
import type { ReplicaListing, RestoreTarget } from "./restore-plan.ts";
import { timestampOfMs } from "./timestamp.ts";

export interface FullListing extends ReplicaListing {
  readonly ltx: readonly LtxInfo[];
}

/** Side files that are read at a time: each is small, and may be a request to a server. */
const readsMax = 16;

/**
 * Side files are listed first: what they claim must be in the listings that come after. Of them only what matters for
 * the target is read: of a database with many transactions they are not small.
 */
export async function loadListing(
  replica: ReplicaReader,
  target: AnyTarget,
  exclude: ReadonlySet<string>,
): Promise<FullListing> {
  const sideFiles = (await replica.sideFiles?.list()) ?? [];
  const snapshots = await replica.snapshots();
  const wals = await replica.wals();
  const ltx = await loadLtx(replica, target, snapshots.length > 0 || wals.length > 0);
  const listing = { location: replica.location, snapshots, wals, sideFiles, ltx };
  if (replica.sideFiles === undefined || sideFiles.length === 0) return listing;
  const { sideFiles: files } = replica;
  const walPoints: WalPoints[] = [];
  const wanted = sideFiles.filter(
    ({ generation }) => target.generation === undefined || generation === target.generation,
  );
  const ends = await mapConcurrently(
    wanted.filter(({ kind }) => kind === "snapshot"),
    readsMax,
    (info) => files.snapshotEnd(info),
  );
  const snapshotEnds = ends.filter((end) => end !== undefined);
  const byGeneration = Map.groupBy(
    wanted.filter(({ kind }) => kind === "wal"),
    ({ generation }) => generation,
  );
  for (const [generation, infos] of byGeneration) {
    const first = firstNeeded(generation, snapshots, snapshotEnds, target, exclude);
    const needed = infos.filter(({ index }) => index >= first).toSorted((a, b) => b.index - a.index);
    walPoints.push(...(await pointsAround(files, needed, target.timeNs)));
  }
  return { ...listing, snapshotEnds, walPoints };
}

/** With the times of the headers where times decide: for a timestamp, and between LTX files and WAL. */
export async function loadLtx(replica: ReplicaReader, target: AnyTarget, hasWal: boolean): Promise<LtxInfo[]> {
  const { ltx } = replica;
  const files = (await ltx?.list()) ?? [];
  const isNamed = target.txid !== undefined || target.generation !== undefined || target.index !== undefined;
  if (ltx === undefined || isNamed) return files;
  if (target.timeNs !== undefined) return withHeaderTimes(ltx, files, () => true);
  const newest = new Set(hasWal ? newestFiles(files) : []);
  return withHeaderTimes(ltx, files, (info) => newest.has(info));
}

/** Backwards, until the time is found: in the WALs before that one only their end counts. */
async function pointsAround(
  sideFiles: SideFiles,
  newestFirst: readonly SideFileInfo[],
  timeNs: bigint | undefined,
): Promise<WalPoints[]> {
  const found = await mapConcurrently(newestFirst, readsMax, (info) => sideFiles.walPoints(info, "end"));
  if (timeNs !== undefined) {
    for (const [i, info] of newestFirst.entries()) {
      const last = found[i]?.points.at(-1);
      if (last === undefined) continue;
      if (timestampOfMs(last.timeMs) > timeNs) found[i] = await sideFiles.walPoints(info, "all");
      if (found[i]?.points.some(({ timeMs }) => timestampOfMs(timeMs) <= timeNs) === true) break;
    }
  }
  return found.filter((points) => points !== undefined);
}

/** The lowest index that a plan of the generation can begin with. */
function firstNeeded(
  generation: Generation,
  snapshots: readonly SnapshotInfo[],
  ends: readonly SnapshotEnd[],
  target: RestoreTarget,
  exclude: ReadonlySet<string>,
): number {
  if (exclude.size > 0) return 0;
  const endOf = new Map<WalIndex, SnapshotEnd>();
  for (const end of ends) if (end.generation === generation) endOf.set(end.index, end);
  const usable: number[] = [];
  for (const { generation: of, index, createdAt } of snapshots) {
    if (of !== generation || (target.index !== undefined && index > target.index)) continue;
    const timeMs = endOf.get(index)?.timeMs ?? createdAt.getTime();
    if (target.timeNs === undefined || timestampOfMs(timeMs) <= target.timeNs) usable.push(index);
  }
  usable.sort((a, b) => b - a);
  // A state inside the time in which a snapshot was copied needs the snapshot before it.
  return (target.timeNs === undefined ? usable[0] : usable[1]) ?? 0;
}
