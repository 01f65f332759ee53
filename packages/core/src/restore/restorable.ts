/**
 * What can be restored, by what a replica lists: without reading any data, so that it can be looked at while the
 * replica is being written. Damage inside of objects is for `verifyReplica` to find.
 */
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { SnapshotEnd, WalPoints } from "../layout/restore-points.ts";
import { generationsOf } from "../layout/stats.ts";
import { type WalIndex, walIndex } from "../position.ts";
import type { ReplicaReader, SideFileInfo } from "../replica-reader.ts";
import { createdNs, timestampOfMs } from "./timestamp.ts";

/** The times of which a generation holds states without a gap; in milliseconds since 1970, both ends included. */
export interface RestorableWindow {
  readonly fromMs: number;
  readonly toMs: number;
  readonly firstIndex: WalIndex;
  readonly lastIndex: WalIndex;
}

export interface RestorableSnapshot {
  readonly index: WalIndex;
  /** When it was complete, in milliseconds since 1970: earlier states are not to be had from it. */
  readonly completeAtMs: number;
  /** As stored. */
  readonly sizeBytes: number;
}

export interface RestorableGeneration {
  readonly generation: Generation;
  readonly snapshots: readonly RestorableSnapshot[];
  /** From old to new. Between two of them WAL is missing. */
  readonly windows: readonly RestorableWindow[];
  /** Bytes of its snapshots and WAL, as stored. */
  readonly sizeBytes: number;
}

/** All generations of a replica in the layouts of Litestream 0.3, ours among them; from the oldest to the newest. */
export async function restorableGenerations(replica: ReplicaReader): Promise<RestorableGeneration[]> {
  // Side files first: what they claim must be in the listings that come after.
  const sideFiles = (await replica.sideFiles?.list()) ?? [];
  const snapshots = await replica.snapshots();
  const wals = await replica.wals();
  const found = await Promise.all(
    generationsOf(snapshots, wals).map((generation) => {
      const of = <T extends { readonly generation: Generation }>(infos: readonly T[]): T[] =>
        infos.filter((info) => info.generation === generation);
      return restorableGeneration(replica, generation, of(snapshots), of(wals), of(sideFiles));
    }),
  );
  return found.toSorted((a, b) => beginningOf(a) - beginningOf(b));
}

async function restorableGeneration(
  replica: ReplicaReader,
  generation: Generation,
  snapshots: readonly SnapshotInfo[],
  wals: readonly WalInfo[],
  sideFiles: readonly SideFileInfo[],
): Promise<RestorableGeneration> {
  const ends = new Map<WalIndex, SnapshotEnd | undefined>();
  for (const info of sideFiles) {
    if (info.kind === "snapshot") ends.set(info.index, await replica.sideFiles?.snapshotEnd(info));
  }
  const byIndex = Map.groupBy(wals, ({ index }) => index);
  const windows: RestorableWindow[] = [];
  const complete: RestorableSnapshot[] = [];
  for (const snapshot of snapshots.toSorted((a, b) => a.index - b.index)) {
    const { index, sizeBytes } = snapshot;
    const end = ends.get(index);
    const completeAtMs = end?.timeMs ?? msAfter(createdNs(snapshot));
    complete.push({ index, completeAtMs, sizeBytes });
    const previous = windows.at(-1);
    if (previous !== undefined && index <= previous.lastIndex) continue;
    // Without the WAL in which its copying ended, there is no exact state of it.
    if (end !== undefined && end.end.offset > 0 && !byIndex.has(end.end.index)) continue;
    let last: number = index;
    while (byIndex.has(walIndex(last + 1)) && byIndex.has(walIndex(last))) last++;
    const lastIndex = walIndex(last);
    const walEndMs = await endOfWal(replica, byIndex.get(lastIndex) ?? [], lastIndex, sideFiles);
    windows.push({
      fromMs: completeAtMs,
      toMs: Math.max(completeAtMs, walEndMs),
      firstIndex: index,
      lastIndex,
    });
  }
  const sizeBytes = [...snapshots, ...wals].reduce((sum, info) => sum + info.sizeBytes, 0);
  return { generation, snapshots: complete, windows, sizeBytes };
}

/** When the last state in a WAL was in the replica: by our side file, or else by the time of its objects. */
async function endOfWal(
  replica: ReplicaReader,
  objects: readonly WalInfo[],
  index: WalIndex,
  sideFiles: readonly SideFileInfo[],
): Promise<number> {
  if (objects.length === 0) return -Infinity;
  const info = sideFiles.find((side) => side.kind === "wal" && side.index === index);
  const points: WalPoints | undefined =
    info === undefined ? undefined : await replica.sideFiles?.walPoints(info, "end");
  const pointMs = points?.points.at(-1)?.timeMs;
  return pointMs ?? Math.max(...objects.map((object) => msBefore(createdNs(object))));
}

function beginningOf({ windows, snapshots }: RestorableGeneration): number {
  return windows[0]?.fromMs ?? snapshots[0]?.completeAtMs ?? 0;
}

/** Times between two milliseconds are rounded into the window. */
function msBefore(timeNs: bigint): number {
  return Number(timeNs / timestampOfMs(1));
}

function msAfter(timeNs: bigint): number {
  return msBefore(timeNs) + (timeNs % timestampOfMs(1) === 0n ? 0 : 1);
}
