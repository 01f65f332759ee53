/** What a copy that follows a replica has to do next. Reads listings and side files; the decision itself is pure. */
import { mapConcurrently } from "../concurrently.ts";
import type { Generation } from "../generation.ts";
import { ltxFilesSince, type LtxInfo } from "../layout/ltx.ts";
import type { WalInfo } from "../layout/objects.ts";
import type { WalPoints } from "../layout/restore-points.ts";
import { formatTxid } from "../ltx/txid.ts";
import { formatWalIndex, type WalIndex, walIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import { walHeaderSizeBytes } from "../wal/header.ts";
import type { FollowedLtx, FollowedState, FollowedWal } from "./follow-state.ts";
import { newestGeneration } from "./generation-spans.ts";
import { type FullListing, loadLtx } from "./listing.ts";
import { newestLayout } from "./newest-layout.ts";

export type FollowPlan =
  /** There is nothing that was not read before. */
  | { readonly kind: "current" }
  /** WALs, in order; the first from the copy's position on. */
  | { readonly kind: "wals"; readonly indexes: readonly WalIndex[] }
  | { readonly kind: "ltx"; readonly files: readonly LtxInfo[] }
  /** The copy's state does not go on there: the latest state is to be restored, and to replace it. */
  | { readonly kind: "restore"; readonly why: string };

/** Side files that are read at a time. */
const readsMax = 16;

/** As `loadListing`, but of side files only what is of use from a position on. */
export async function loadFollowListing(replica: ReplicaReader, state: FollowedState): Promise<FullListing> {
  const { sideFiles: files } = replica;
  const sideFiles = (await files?.list()) ?? [];
  const snapshots = await replica.snapshots();
  const wals = await replica.wals();
  const ltx = await loadLtx(replica, {}, snapshots.length > 0 || wals.length > 0);
  const listing = { location: replica.location, snapshots, wals, sideFiles, ltx };
  if (files === undefined || state.layout !== "wal") return listing;
  const { generation, index } = state.position;
  const needed = sideFiles.filter(
    (info) => info.kind === "wal" && info.generation === generation && info.index >= index,
  );
  const points = await mapConcurrently(needed, readsMax, (info) => files.walPoints(info, "end"));
  return { ...listing, walPoints: points.filter((found) => found !== undefined) };
}

/** What a plan depends on: while it stays the same, there is nothing new. */
export function followIdentity(listing: FullListing, state: FollowedState): string {
  const objects: readonly (WalInfo | LtxInfo)[] =
    state.layout === "ltx"
      ? listing.ltx.filter(({ maxTxid }) => maxTxid > state.txid)
      : listing.wals.filter((info) => isFrom(info, state));
  const parts = objects.map(({ path, sizeBytes, createdAt }) => `${path} ${sizeBytes} ${createdAt.getTime()}`);
  return [newestGeneration(listing), listing.ltx.length, ...parts].join("\n");
}

export function planFollow(listing: FullListing, state: FollowedState): FollowPlan {
  const newest = newestLayout(listing);
  if (newest === "unknown" || (newest !== "empty" && newest !== state.layout)) {
    return { kind: "restore", why: "it went on in another layout" };
  }
  return state.layout === "ltx" ? planLtx(listing.ltx, state) : planWals(listing, state);
}

function planWals(listing: FullListing, { position }: FollowedWal): FollowPlan {
  const { generation, index, offset } = position;
  const newest = newestGeneration(listing);
  if (newest !== generation) {
    return { kind: "restore", why: newest === undefined ? "it is empty" : `generation ${newest} began` };
  }
  const held = new Set<number>(indexesOf(listing.wals, generation));
  const claimed = (listing.walPoints ?? []).filter(({ points }) => points.length > 0);
  const last = Math.max(-1, ...held, ...indexesOf(claimed, generation));
  const indexes: WalIndex[] = [];
  for (let number: number = index; number <= last; number++) {
    if (!held.has(number)) return { kind: "restore", why: `WAL ${formatWalIndex(walIndex(number))} is not there` };
    indexes.push(walIndex(number));
  }
  if (indexes.length === 0 && offset > walHeaderSizeBytes) {
    return { kind: "restore", why: `WAL ${formatWalIndex(index)} is not there any more` };
  }
  return indexes.length === 0 ? { kind: "current" } : { kind: "wals", indexes };
}

function planLtx(entries: readonly LtxInfo[], { txid }: FollowedLtx): FollowPlan {
  if (entries.every(({ maxTxid }) => maxTxid < txid)) {
    return { kind: "restore", why: `transaction ${formatTxid(txid)} is not there any more` };
  }
  const files = ltxFilesSince(entries, txid);
  if (files === undefined) return { kind: "restore", why: `transactions after ${formatTxid(txid)} are not there` };
  return files.length === 0 ? { kind: "current" } : { kind: "ltx", files };
}

function indexesOf(infos: readonly (WalInfo | WalPoints)[], generation: Generation): number[] {
  return infos.filter((info) => info.generation === generation).map(({ index }) => index);
}

function isFrom(info: WalInfo, { position }: FollowedWal): boolean {
  return info.generation === position.generation && info.index >= position.index;
}
