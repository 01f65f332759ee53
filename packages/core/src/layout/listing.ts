/** What a store lists, as the objects of the layouts of Litestream 0.3, ours among them. Pure. */
import type { Generation } from "../generation.ts";
import type { WalIndex } from "../position.ts";
import type { SideFileInfo } from "../replica-reader.ts";
import type { StoreEntry } from "../store/store.ts";
import { parseSnapshotKey } from "./generations.ts";
import type { SnapshotInfo, WalInfo } from "./objects.ts";
import { parseSideFileKey } from "./restore-points.ts";
import { parseSegmentKey } from "./segments.ts";
import { parseWalKey } from "./whole.ts";

/** A WAL object, and of which layout it is. */
export interface StoredWal {
  readonly info: WalInfo;
  readonly isSegment: boolean;
}

/** By generation, index and offset. What has other names is left out. */
export interface Listing {
  readonly snapshots: SnapshotInfo[];
  readonly wals: StoredWal[];
}

export function parseEntries(entries: readonly StoreEntry[]): Listing {
  const listing: Listing = { snapshots: [], wals: [] };
  for (const entry of entries) {
    const snapshot = parseSnapshotKey(entry.key);
    if (snapshot !== undefined) {
      const { generation, index } = snapshot;
      listing.snapshots.push({ generation, index, ...describedBy(entry) });
    }
    const wal = storedWal(entry);
    if (wal !== undefined) listing.wals.push(wal);
  }
  listing.snapshots.sort(byIndex);
  listing.wals.sort((a, b) => byIndex(a.info, b.info) || a.info.offset - b.info.offset);
  return listing;
}

/** The side files among them. */
export function parseSideFiles(entries: readonly StoreEntry[]): SideFileInfo[] {
  return entries.flatMap(({ key, sizeBytes }) => {
    const name = parseSideFileKey(key);
    return name === undefined ? [] : [{ ...name, path: key, sizeBytes }];
  });
}

function storedWal(entry: StoreEntry): StoredWal | undefined {
  const segment = parseSegmentKey(entry.key);
  const name = segment ?? parseWalKey(entry.key);
  if (name === undefined) return undefined;
  const { generation, index, compressed } = name;
  const offset = segment?.offset ?? 0;
  return { info: { generation, index, offset, compressed, ...describedBy(entry) }, isSegment: segment !== undefined };
}

type ObjectDescription = Pick<SnapshotInfo, "path" | "sizeBytes" | "createdAt" | "createdAtNs">;

function describedBy({ key, sizeBytes, modifiedAt, modifiedAtNs }: StoreEntry): ObjectDescription {
  const description = { path: key, sizeBytes, createdAt: modifiedAt };
  return modifiedAtNs === undefined ? description : { ...description, createdAtNs: modifiedAtNs };
}

function byIndex(a: Indexed, b: Indexed): number {
  if (a.generation !== b.generation) return a.generation < b.generation ? -1 : 1;
  return a.index - b.index;
}

interface Indexed {
  readonly generation: Generation;
  readonly index: WalIndex;
}
