import type { DatabaseStatus, LitestreamEvent } from "@litestream/core";

/** What has to be known of a `Litestream` to observe it. */
export interface Observed {
  readonly path: string;
  status(): Promise<DatabaseStatus>;
  subscribe(listener: (event: LitestreamEvent) => void): () => void;
}
