import type { Position } from "../position.ts";
import type { DatabaseStatus, LastSnapshot, RetentionResult, ValidationResult } from "../status.ts";

/** To stop waiting. What was begun goes on; the call rejects with ABORTED. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/** Of which replica; of all of them when absent. */
export interface OfReplica extends Waiting {
  readonly replica?: string | undefined;
}

export interface RetentionRun extends OfReplica {
  /** Nothing is deleted; the result says what would be. */
  readonly isDryRun?: boolean | undefined;
}

/** What replicates one database, wherever it runs. `Litestream` says what each of these does. */
export interface DatabaseEngine extends AsyncDisposable {
  start(options?: Waiting): Promise<void>;
  stop(): Promise<Position | undefined>;
  sync(options?: Waiting): Promise<Position>;
  waitFor(position: Position, options?: Waiting): Promise<void>;
  snapshot(options?: OfReplica): Promise<LastSnapshot[]>;
  validate(options?: OfReplica): Promise<ValidationResult[]>;
  enforceRetention(options?: RetentionRun): Promise<RetentionResult[]>;
  status(): Promise<DatabaseStatus>;
  position(): Position | undefined;
  closeNow(): void;
}
