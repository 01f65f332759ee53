/** Reads what a plan is made from. */
import type { Generation } from "../generation.ts";
import type { SnapshotInfo } from "../layout/objects.ts";
import type { SnapshotEnd, WalPoints } from "../layout/restore-points.ts";
import type { LtxInfo } from "../layout/ltx.ts";
import type { WalIndex } from "../position.ts";
import type { ReplicaReader, SideFileInfo, SideFiles } from "../replica-reader.ts";
import type { ReplicaListing, RestoreTarget } from "./plan.ts";
import { timestampOfMs } from "./timestamp.ts";

export interface FullListing extends ReplicaListing {
  readonly ltx: readonly LtxInfo[];
}

/**
 * Side files are listed first: what they claim must be in the listings that come after. Of them only what matters for
 * the target is read: of a database with many transactions they are not small.
 */
export async function loadListing(
  replica: ReplicaReader,
  target: RestoreTarget,
  exclude: ReadonlySet<string>,
): Promise<FullListing> {
  const sideFiles = (await replica.sideFiles?.list()) ?? [];
  const snapshots = await replica.snapshots();
  const wals = await replica.wals();
  const ltx = (await replica.ltx?.list()) ?? [];
  const listing = { location: replica.location, snapshots, wals, sideFiles, ltx };
  if (replica.sideFiles === undefined || sideFiles.length === 0) return listing;
  const snapshotEnds: SnapshotEnd[] = [];
  const walPoints: WalPoints[] = [];
  const wanted = sideFiles.filter(
    ({ generation }) => target.generation === undefined || generation === target.generation,
  );
  for (const info of wanted.filter(({ kind }) => kind === "snapshot")) {
    const end = await replica.sideFiles.snapshotEnd(info);
    if (end !== undefined) snapshotEnds.push(end);
  }
  const byGeneration = Map.groupBy(
    wanted.filter(({ kind }) => kind === "wal"),
    ({ generation }) => generation,
  );
  for (const [generation, infos] of byGeneration) {
    const first = firstNeeded(generation, snapshots, snapshotEnds, target, exclude);
    const needed = infos.filter(({ index }) => index >= first).toSorted((a, b) => b.index - a.index);
    walPoints.push(...(await pointsAround(replica.sideFiles, needed, target.timeNs)));
  }
  return { ...listing, snapshotEnds, walPoints };
}

/** Backwards, until the time is found: in the WALs before that one only their end counts. */
async function pointsAround(
  sideFiles: SideFiles,
  newestFirst: readonly SideFileInfo[],
  timeNs: bigint | undefined,
): Promise<WalPoints[]> {
  const found: WalPoints[] = [];
  let isFound = timeNs === undefined;
  for (const info of newestFirst) {
    let points = await sideFiles.walPoints(info, "end");
    const last = points?.points.at(-1);
    if (!isFound && timeNs !== undefined && last !== undefined) {
      if (timestampOfMs(last.timeMs) > timeNs) points = await sideFiles.walPoints(info, "all");
      isFound = points?.points.some(({ timeMs }) => timestampOfMs(timeMs) <= timeNs) ?? false;
    }
    if (points !== undefined) found.push(points);
  }
  return found;
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
