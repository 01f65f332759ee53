/** Where a replica that both Litestream 0.3, or we, and Litestream 0.5 have written holds its newest state. Pure. */
import { type LtxInfo, ltxStates } from "../layout/ltx.ts";
import { hasKeptTime } from "../layout/ltx-times.ts";
import { newestUpdateNs } from "./generation-spans.ts";
import type { ReplicaListing } from "./restore-plan.ts";
import { timestampOf, timestampOfMs } from "./timestamp.ts";

/**
 * - `empty`: there is neither;
 * - `unknown`: by the times of its objects WAL is the newest, but these times are not those of the writer.
 */
export type NewestLayout = "wal" | "ltx" | "unknown" | "empty";

type Listing = ReplicaListing & { readonly ltx: readonly LtxInfo[] };

/**
 * An LTX file has its time inside, and so have our side files. The other objects of Litestream 0.3 have only the time
 * of the store, which a copy may have lost: it then makes the older ones look like the newest.
 */
export function newestLayout(listing: Listing): NewestLayout {
  const { ltx, walPoints = [], snapshotEnds = [] } = listing;
  const hasWal = listing.snapshots.length > 0 || listing.wals.length > 0;
  if (ltx.length === 0) return hasWal ? "wal" : "empty";
  if (!hasWal) return "ltx";
  const newestLtxNs = timestampOf(ltxStates(ltx).at(-1)?.createdAt ?? new Date(0));
  if (newestUpdateNs(listing) <= newestLtxNs) return "ltx";
  const notedMs = [...snapshotEnds, ...walPoints.flatMap(({ points }) => points)].map(({ timeMs }) => timeMs);
  if (notedMs.some((timeMs) => timestampOfMs(timeMs) > newestLtxNs)) return "wal";
  return newestFiles(ltx).some(hasKeptTime) ? "wal" : "unknown";
}

/** Those that end with the newest transaction: by whose times layouts are compared. */
export function newestFiles(ltx: readonly LtxInfo[]): LtxInfo[] {
  const newest = ltx.reduce((max, { maxTxid }) => (maxTxid > max ? maxTxid : max), 0n);
  return ltx.filter(({ maxTxid }) => maxTxid === newest);
}
