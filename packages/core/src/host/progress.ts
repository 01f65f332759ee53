import { LitestreamError } from "../errors.ts";
import type { LitestreamEventBody } from "../events.ts";
import type { Generation } from "../generation.ts";
import { comparePositions, formatPosition, type Position } from "../position.ts";
import type { ReplicaStatus } from "../status.ts";
import type { CapturedPosition } from "../wal-source.ts";
import { type ReplicaIdentity, ReplicaProgress } from "./replica-progress.ts";

interface Awaited {
  readonly position: Position;
  readonly resolve: () => void;
  readonly reject: (error: LitestreamError) => void;
}

/** How far the replicas of one database are, as the events tell it, and who waits for what. */
export class Progress {
  readonly #replicas: readonly ReplicaProgress[];
  /** Of this run; all but the last have ended, and what they held is in the snapshot of the one after. */
  readonly #generations: Generation[] = [];
  readonly #awaited = new Set<Awaited>();

  constructor(replicas: readonly ReplicaIdentity[]) {
    this.#replicas = replicas.map((replica) => new ReplicaProgress(replica));
  }

  /** @param captured where capture stands at the time of the event */
  observe(event: LitestreamEventBody, captured: Position | undefined, nowMs: number): void {
    for (const replica of this.#replicas) replica.observe(event, captured, nowMs);
    const isNew = captured !== undefined && !this.#generations.includes(captured.generation);
    if (isNew) this.#generations.push(captured.generation);
    if (isNew || event.type === "replica-sync") this.#settle();
  }

  /**
   * @param captured how far capture came by its last look, if that did not fail
   * @param lagBytesAt captured WAL after a position
   */
  status(
    captured: CapturedPosition | undefined,
    lagBytesAt: (position: Position) => number | undefined,
    nowMs: number,
  ): ReplicaStatus[] {
    return this.#replicas.map((replica) => {
      const { position } = replica;
      return replica.status(captured, position === undefined ? undefined : lagBytesAt(position), nowMs);
    });
  }

  /**
   * Resolves once every replica holds `position`.
   * @throws LitestreamError NO_SUCH_POINT when its generation is none of this run, ABORTED when replication ends before
   */
  reached(position: Position): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#awaited.add({ position, resolve, reject });
    this.#settle();
    return promise;
  }

  /** Replication ends: what was not reached will not be. */
  end(): void {
    for (const { position, reject } of this.#awaited) {
      const at = formatPosition(position);
      reject(new LitestreamError("ABORTED", `replication ended before ${at} was reached`, { position: at }));
    }
    this.#awaited.clear();
  }

  #settle(): void {
    for (const awaited of this.#awaited) {
      const { generation } = awaited.position;
      if (this.#generations.length > 0 && !this.#generations.includes(generation)) {
        this.#awaited.delete(awaited);
        awaited.reject(unknownGeneration(awaited.position));
        continue;
      }
      if (!this.#replicas.every((replica) => this.#holds(replica.position, awaited.position))) continue;
      this.#awaited.delete(awaited);
      awaited.resolve();
    }
  }

  #holds(held: Position | undefined, wanted: Position): boolean {
    if (held === undefined) return false;
    if (held.generation === wanted.generation) return comparePositions(held, wanted) >= 0;
    const [heldAt, wantedAt] = [held, wanted].map(({ generation }) => this.#generations.indexOf(generation));
    return wantedAt !== undefined && heldAt !== undefined && wantedAt >= 0 && heldAt > wantedAt;
  }
}

function unknownGeneration(position: Position): LitestreamError {
  return new LitestreamError("NO_SUCH_POINT", `no generation of this run has ${formatPosition(position)}`, {
    position: formatPosition(position),
    hint: "Wait for a position that `sync`, `position` or `status` gave since the start.",
  });
}
