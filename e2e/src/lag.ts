import type { Acknowledgement } from "@litestream/testkit";
import type { TracedReplicaSync } from "./replicator.ts";

export interface Lag {
  readonly p50Ms: number;
  readonly maxMs: number;
}

/**
 * From the moment a transaction was acknowledged to its report as replicated, over those that were acknowledged once
 * the replica was there and that were reported; undefined if there are none.
 */
export function lagOf(
  acknowledgements: readonly Acknowledgement[],
  syncs: readonly TracedReplicaSync[],
): Lag | undefined {
  const lags: number[] = [];
  const beginMs = Date.parse(syncs[0]?.time ?? "");
  let next = 0;
  for (const { atMs } of acknowledgements) {
    if (!(atMs >= beginMs)) continue;
    while (next < syncs.length && (syncs[next]?.asOfMs ?? 0) <= atMs) next++;
    const sync = syncs[next];
    if (sync === undefined) break;
    lags.push(Math.max(0, Date.parse(sync.time) - atMs));
  }
  lags.sort((a, b) => a - b);
  const [p50Ms, maxMs] = [lags[lags.length >> 1], lags.at(-1)];
  return p50Ms === undefined || maxMs === undefined ? undefined : { p50Ms, maxMs };
}
