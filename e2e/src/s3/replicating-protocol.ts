import type { LitestreamOptions, ReplicaOptions } from "@litestream/core";

/** What the process is told, as its only argument, in JSON. */
export interface ReplicatingTask {
  readonly litestream: Pick<LitestreamOptions, "path" | "minCheckpointPageCount" | "checkpointIntervalMs">;
  readonly replica: ReplicaOptions;
}

/** What it says: a line of JSON on standard output for each. */
export type ReplicatingReport =
  | { readonly type: "replicated"; readonly asOfMs: number; readonly generation: string; readonly bytes: number }
  | { readonly type: "generation"; readonly reason: string }
  | { readonly type: "snapshot"; readonly bytes: number; readonly sizeBytes: number; readonly durationMs: number }
  | { readonly type: "request"; readonly operation: string; readonly bytes: number; readonly failed: boolean }
  | { readonly type: "warning"; readonly message: string }
  | { readonly type: "error"; readonly message: string; readonly hint: string | undefined };
