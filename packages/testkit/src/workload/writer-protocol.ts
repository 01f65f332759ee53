import type { WorkloadOptions } from "./workload.ts";

/** What a writer process is told as its only argument, in JSON. */
export interface WriterTask extends Required<WorkloadOptions> {
  readonly path: string;
  readonly logPath: string;
  /** Null for no limit. */
  readonly transactions: number | null;
  /** Transactions per second; null for as fast as they go. */
  readonly rate: number | null;
  readonly whenDone: "close" | "hold";
  readonly busyTimeoutMs: number;
  readonly synchronous: "off" | "normal" | "full" | "extra";
  readonly autocheckpointPages: number;
  readonly durable: boolean;
}

/** Parent to writer. */
export type WriterCommand = { readonly type: "waitFor"; readonly n: number } | { readonly type: "stop" };

/**
 * Writer to parent. `acknowledged` comes once for each `waitFor`, when that transaction has been logged; `done`
 * when all are that were asked for, or before a stop. A failure comes on standard error, with exit code 1.
 */
export type WriterReport =
  | { readonly type: "ready"; readonly n: number }
  | { readonly type: "acknowledged"; readonly n: number }
  | { readonly type: "done"; readonly n: number };
