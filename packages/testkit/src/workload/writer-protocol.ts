import type { ConnectionOptions, CreationOptions } from "../database/open-database.ts";
import type { LoadShape } from "./load-shape.ts";
import type { WorkloadOptions } from "./options.ts";

/** What a writer process is told as its only argument, in JSON. */
export interface WriterTask extends ConnectionOptions, CreationOptions {
  readonly path: string;
  readonly logPath: string;
  readonly workload: Required<WorkloadOptions>;
  /** Null for no limit. */
  readonly transactions: number | null;
  /** Null for as fast as they go. */
  readonly shape: LoadShape | null;
  readonly whenDone: "close" | "hold";
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
