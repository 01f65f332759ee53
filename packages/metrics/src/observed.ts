import type { DatabaseStatus, LitestreamEvent, ReplicaReader } from "@litestream/core";

/** What has to be known of a database to tell how it stands. */
export interface Watched {
  readonly path: string;
  status(): Promise<DatabaseStatus>;
  /** Opens one of its replicas, to say what can be restored; without it, that is not said. */
  openReplica?(name: string): ReplicaReader;
  /** What names a replica to `litestream restore`; its location where absent, or undefined. */
  restoreArguments?(name: string): readonly string[] | undefined;
}

/** What has to be known of a `Litestream` to observe it. */
export interface Observed extends Watched {
  subscribe(listener: (event: LitestreamEvent) => void): () => void;
}
