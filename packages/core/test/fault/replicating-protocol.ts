export interface ReplicatingTask {
  /** Has `app.db`, and gets `replica`. */
  readonly folder: string;
  /** Gets a line `reported TRANSACTIONS` for each report, and `generation REASON` for each one begun. */
  readonly logPath: string;
  readonly killAt: { readonly kind: string; readonly occurrence: number } | undefined;
}

export type ReplicatingRequest =
  | { readonly do: "start" | "stop" }
  /** @param written the workload's last transaction */
  | { readonly do: "sync"; readonly written: number };

export interface ReplicatingReply {
  readonly error: string | undefined;
  /** Kinds of the fault points that were met since the last reply, where none is to kill it. */
  readonly seen: readonly string[];
}
