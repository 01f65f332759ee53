import type { EmitEvent } from "../events.ts";
import { FileReplica } from "../replica/file-replica.ts";
import type { Replica } from "../replica/replica.ts";
import { SegmentsReplica } from "../replica/segments-replica.ts";
import type { ReplicaOptions } from "../replica-options.ts";
import type { WalSource } from "../wal-source.ts";
import type { ReplicaDuties } from "./replica-duties.ts";

/** What the engine needs of a replica. */
export interface EngineReplica extends Replica<WalSource>, ReplicaDuties {
  /** For people: a folder, or a URL without secrets. No two replicas of a database have the same. */
  readonly location: string;
  /**
   * Looks whether it can be written, as far as that can be known at once; changes nothing.
   * @throws LitestreamError REPLICA_UNAVAILABLE
   */
  check(): void;
  /** Resolves when what is done beside the syncs has come to its end. */
  settled(): Promise<void>;
}

/** @throws LitestreamError CONFIG_INVALID */
export function newReplica(
  db: WalSource,
  options: ReplicaOptions,
  monitorEnabled: boolean,
  emit: EmitEvent,
): EngineReplica {
  if (options.type === "s3" || options.type === "url" || options.layout === "segments") {
    return new SegmentsReplica(db, options, monitorEnabled, emit);
  }
  return new FileReplica(db, { ...options, monitorEnabled }, emit);
}
