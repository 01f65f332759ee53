import { parseEntries, parseSideFiles } from "../layout/listing.ts";
import type { StoreReplicaReader } from "../layout/reader.ts";

/**
 * When anything in a replica was last written, by its store's clock and by those that our side files were written by:
 * milliseconds since 1970, 0 where it is empty. Of the side files, only those are read that can be the newest.
 */
export async function newestTime(reader: StoreReplicaReader): Promise<number> {
  const entries = await reader.objects();
  const { snapshots, wals } = parseEntries(entries);
  const sideFiles = parseSideFiles(entries);
  const objects = [...snapshots, ...wals.map(({ info }) => info)];
  let newestMs = objects.reduce((max, { createdAt }) => Math.max(max, createdAt.getTime()), 0);
  for (const info of sideFiles.filter(({ kind }) => kind === "snapshot")) {
    newestMs = Math.max(newestMs, (await reader.sideFiles.snapshotEnd(info))?.timeMs ?? 0);
  }
  const ofWals = Map.groupBy(
    sideFiles.filter(({ kind }) => kind === "wal"),
    ({ generation }) => generation,
  );
  for (const infos of ofWals.values()) {
    const newest = infos.reduce((best, info) => (info.index > best.index ? info : best));
    const points = await reader.sideFiles.walPoints(newest, "end");
    newestMs = Math.max(newestMs, points?.points.at(-1)?.timeMs ?? 0);
  }
  return newestMs;
}
