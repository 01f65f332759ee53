import { errorMessage, LitestreamError } from "../errors.ts";
import type { LitestreamEventBody } from "../events.ts";
import { comparePositions, type Position, samePosition } from "../position.ts";
import type { LastSnapshot, ReplicaFailure, ReplicaStatus, ValidationResult } from "../status.ts";
import type { CapturedPosition } from "../wal-source.ts";

export interface ReplicaIdentity {
  readonly name: string;
  readonly type: string;
  readonly location: string;
}

/** How one replica stands, as the events tell it. */
export class ReplicaProgress {
  readonly #identity: ReplicaIdentity;
  #position: Position | undefined;
  #asOfMs: number | undefined;
  /** When the oldest commit that the replica lacks was captured, or was not there yet. */
  #behindSinceMs: number | undefined;
  #failure: ReplicaFailure | undefined;
  #lastSnapshot: LastSnapshot | undefined;
  #lastValidation: ValidationResult | undefined;

  constructor({ name, type, location }: ReplicaIdentity) {
    this.#identity = { name, type, location };
  }

  /** The last position that was reported as durable. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** @param captured where capture stands at the time of the event */
  observe(event: LitestreamEventBody, captured: Position | undefined, nowMs: number): void {
    if (event.type === "sync" || event.type === "generation") {
      this.#behindSinceMs ??= nowMs;
      return;
    }
    if (!("replica" in event) || event.replica !== this.#identity.name) return;
    switch (event.type) {
      case "replica-sync": {
        this.#position = event.position;
        this.#asOfMs = event.asOfMs;
        this.#failure = undefined;
        const hasAll =
          captured?.generation === event.position.generation && comparePositions(event.position, captured) >= 0;
        this.#behindSinceMs = hasAll ? undefined : event.asOfMs;
        return;
      }
      case "snapshot": {
        const { generation, index, sizeBytes } = event;
        this.#lastSnapshot = { generation, index, takenAtMs: nowMs, sizeBytes };
        return;
      }
      case "validation": {
        const { type: _, ...result } = event;
        this.#lastValidation = result;
        return;
      }
      case "error":
        this.#failure = failureAfter(this.#failure, event.error, nowMs);
        return;
      case "disk-full":
      case "progress":
      case "retention":
      case "replica-operation":
      case "wal-compressed":
        return;
    }
  }

  /**
   * @param captured how far capture came by its last look, if that did not fail
   * @param lagBytes captured WAL between its position and where capture stands
   */
  status(captured: CapturedPosition | undefined, lagBytes: number | undefined, nowMs: number): ReplicaStatus {
    const hasAll =
      captured !== undefined && this.#position !== undefined && samePosition(captured.position, this.#position);
    // What was committed since a capture that fails, or that is not tried, cannot be known.
    const sinceMs = hasAll ? undefined : (this.#behindSinceMs ?? this.#asOfMs);
    const lagMs = this.#position === undefined ? undefined : sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs);
    return {
      ...this.#identity,
      position: this.#position,
      asOfMs: hasAll ? Math.max(captured.asOfMs, this.#asOfMs ?? 0) : this.#asOfMs,
      lagMs,
      lagBytes,
      failure: this.#failure,
      lastSnapshot: this.#lastSnapshot,
      lastValidation: this.#lastValidation,
    };
  }
}

function failureAfter(before: ReplicaFailure | undefined, error: unknown, nowMs: number): ReplicaFailure {
  const ours = error instanceof LitestreamError ? error : undefined;
  return {
    code: ours?.code,
    message: errorMessage(error),
    hint: ours?.hint,
    sinceMs: before?.sinceMs ?? nowMs,
    count: (before?.count ?? 0) + 1,
  };
}
