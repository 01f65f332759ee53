import type { Litestream } from "@litestream/core";

/** What the supervisor needs of core's `Litestream`. */
export type Engine = Pick<
  Litestream,
  | "path"
  | "start"
  | "stop"
  | "sync"
  | "status"
  | "snapshot"
  | "validate"
  | "enforceRetention"
  | "closeNow"
  | "subscribe"
>;
