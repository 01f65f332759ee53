import type { Generation } from "../generation.ts";
import type { GenerationReason } from "../generation-reason.ts";

/** Thrown inside a sync when the replica cannot go on with a generation: another has to begin. */
export class CannotGoOn extends Error {
  readonly generation: Generation;
  readonly reason: GenerationReason;
  /**
   * With a new snapshot the replica can go on in this generation, if that has this index or a higher one. Below it lies
   * a WAL of which the replica holds nothing: so no restore takes what is before for what comes after it.
   */
  readonly resumeFrom: number | undefined;

  constructor(generation: Generation, reason: GenerationReason, resumeFrom?: number) {
    super(reason);
    this.name = "CannotGoOn";
    this.generation = generation;
    this.reason = reason;
    this.resumeFrom = resumeFrom;
  }
}
