/** What verifying a replica finds. */
import { errorMessage } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { Txid } from "../ltx/txid.ts";
import type { WalIndex } from "../position.ts";

/** What was found in a replica. */
export interface ReplicaReport {
  readonly location: string;
  readonly generations: readonly GenerationReport[];
  /** Undefined where the replica has no LTX files. */
  readonly ltx: LtxReport | undefined;
  /** Keys of what is no part of any layout, or of no use. */
  readonly extra: readonly string[];
  /** Nothing is damaged, and nothing missing. */
  readonly isSound: boolean;
}

export interface GenerationReport {
  readonly generation: Generation;
  /** Every state in them can be restored, from the first snapshot's on. */
  readonly ranges: readonly RestorableRange[];
  readonly damaged: readonly ObjectProblem[];
  readonly missing: readonly ObjectProblem[];
  /** Bytes at the end of the newest WAL that make no whole transaction: an append that was interrupted. */
  readonly droppedBytes: number;
}

export interface RestorableRange {
  readonly firstIndex: WalIndex;
  readonly lastIndex: WalIndex;
  /** Nanoseconds since 1970. */
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

export interface ObjectProblem {
  /** Below the replica's root. */
  readonly path: string;
  readonly why: string;
}

export interface LtxReport {
  readonly firstTxid: Txid | undefined;
  readonly lastTxid: Txid | undefined;
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly damaged: readonly ObjectProblem[];
  readonly missing: readonly ObjectProblem[];
}

/** Below the replica's root; undefined for a path that is not. */
export function pathIn(path: string | undefined, location: string): string | undefined {
  return path?.startsWith(`${location}/`) === true ? path.slice(location.length + 1) : undefined;
}

/** The message, from which the path was taken out that stands beside it. */
export function withoutPath(error: unknown, location: string): string {
  const message = errorMessage(error);
  const at = message.indexOf(location);
  if (at < 0) return message;
  const end = message.indexOf(": ", at);
  return end < 0 ? message : message.slice(end + 2);
}
