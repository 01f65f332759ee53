import { type GenerationReason, type LitestreamEvent, type Position, samePosition } from "@litestream/core";

export interface CheckpointTally {
  count: number;
  errorCount: number;
  seconds: number;
}

/** What the events of one database add up to: an event costs a few additions, whoever scrapes does the rest. */
export class DatabaseTally {
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** Where capture stood at the last event that told. */
  captured: Position | undefined;
  totalWalBytes = 0;
  syncCount = 0;
  syncErrorCount = 0;
  syncSeconds = 0;
  readonly checkpoints: { readonly [mode in "PASSIVE" | "FORCED"]: CheckpointTally } = {
    PASSIVE: { count: 0, errorCount: 0, seconds: 0 },
    FORCED: { count: 0, errorCount: 0, seconds: 0 },
  };
  readonly generations: Map<GenerationReason, number> = new Map();
  readonly replicas: Map<string, ReplicaTally> = new Map();
  #captureFails = false;
  /** Names of replicas; undefined for the meta directory. */
  readonly #fullDisks = new Set<string | undefined>();
  /** Milliseconds since 1970. */
  #longReaderSinceMs: number | undefined;

  constructor(path: string, sinceMs: number) {
    this.path = path;
    this.sinceMs = sinceMs;
  }

  get isDiskFull(): boolean {
    return this.#fullDisks.size > 0;
  }

  /** For how long somebody has kept the WAL from being restarted; 0 where nobody does. */
  longReaderMs(nowMs: number): number {
    return this.#longReaderSinceMs === undefined ? 0 : Math.max(0, nowMs - this.#longReaderSinceMs);
  }

  replica(name: string): ReplicaTally {
    const known = this.replicas.get(name);
    if (known !== undefined) return known;
    const tally = new ReplicaTally(this.sinceMs);
    this.replicas.set(name, tally);
    return tally;
  }

  observe(event: LitestreamEvent): void {
    switch (event.type) {
      case "sync":
        this.syncCount++;
        this.syncSeconds += event.durationMs / 1000;
        this.totalWalBytes += event.bytes;
        this.captured = event.position;
        this.#captureFails = false;
        return;
      case "checkpoint": {
        const tally = this.checkpoints[event.mode];
        if ("error" in event) tally.errorCount++;
        tally.count++;
        tally.seconds += event.durationMs / 1000;
        return;
      }
      case "generation":
        this.generations.set(event.reason, (this.generations.get(event.reason) ?? 0) + 1);
        return;
      case "replica-sync":
        this.replica(event.replica).synced(event);
        return;
      case "validation":
        this.replica(event.replica).validated(event);
        return;
      case "error":
        if (event.replica !== undefined) {
          this.replica(event.replica).errorCount++;
        } else {
          this.syncErrorCount++;
          this.#captureFails = true;
        }
        return;
      case "disk-full":
        if (event.isFull) this.#fullDisks.add(event.replica);
        else this.#fullDisks.delete(event.replica);
        return;
      case "long-reader":
        this.#longReaderSinceMs = event.isOver ? undefined : Date.now() - event.ageMs;
        return;
      case "stopped":
        this.#longReaderSinceMs = undefined;
        return;
      default:
        return;
    }
  }

  /** As well as events alone can tell: the age of the last state that is known to hold everything. */
  lagMs(name: string, nowMs: number): number {
    const { position, asOfMs } = this.replica(name);
    const hasAll = position !== undefined && this.captured !== undefined && samePosition(position, this.captured);
    return hasAll && !this.#captureFails ? 0 : Math.max(0, nowMs - (asOfMs ?? this.sinceMs));
  }
}

export class ReplicaTally {
  position: Position | undefined;
  asOfMs: number | undefined;
  walBytes = 0;
  errorCount = 0;
  readonly validations: { [outcome in "ok" | "error" | "incomplete"]: number } = { ok: 0, error: 0, incomplete: 0 };
  /** Milliseconds since 1970; of the beginning, while there was none. */
  lastValidMs: number;

  constructor(sinceMs: number) {
    this.lastValidMs = sinceMs;
  }

  synced({ position, asOfMs, bytes }: LitestreamEvent & { readonly type: "replica-sync" }): void {
    this.position = position;
    this.asOfMs = asOfMs;
    this.walBytes += bytes;
  }

  validated({ status, endedAtMs }: LitestreamEvent & { readonly type: "validation" }): void {
    if (status === "ok") this.lastValidMs = endedAtMs;
    // Litestream's `error` is a replica that differs.
    this.validations[status === "error" ? "incomplete" : status === "mismatch" ? "error" : "ok"]++;
  }
}
