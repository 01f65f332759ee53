import type { DatabaseStatus, LitestreamEvent } from "@litestream/core";

/** What has to be known of a database to tell how it stands. */
export interface Watched {
  readonly path: string;
  status(): Promise<DatabaseStatus>;
}

/** What has to be known of a `Litestream` to observe it. */
export interface Observed extends Watched {
  subscribe(listener: (event: LitestreamEvent) => void): () => void;
}
