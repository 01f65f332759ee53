import type { Generation } from "../generation.ts";
import type { Position } from "../position.ts";
import type { ShadowNeed } from "../shadow/release.ts";
import type { ReplicaReader } from "../replica-reader.ts";

/** A destination that a database is replicated to. `Db` is the database it belongs to, as far as a replica sees it. */
export interface Replica<Db = unknown> extends ReplicaReader {
  readonly db: Db;
  /** Prepares the destination (clears what a crash left) and, unless `monitorEnabled` is off, replicates by itself. */
  start(): Promise<void>;
  /** Ends replication after the operation under way. */
  stop(): Promise<void>;
  /** Brings the replica up to the database's position; resolves when that is durable. */
  sync(signal?: AbortSignal): Promise<Position>;
  /** Last position known to be durable; undefined until it was computed, and again after an error. */
  lastPos(): Position | undefined;
  /** What it still needs of the shadow WAL. */
  shadowNeed(): ShadowNeed;
  /** The position computed from what the replica itself holds; undefined where it holds nothing of `generation`. */
  calcPos(generation: Generation): Promise<Position | undefined>;
}
