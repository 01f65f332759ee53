import type { Generation } from "../generation.ts";
import type { GenerationReason } from "../generation-reason.ts";

/** Thrown inside a sync when the replica cannot go on with a generation: another has to begin. */
export class CannotGoOn extends Error {
  readonly generation: Generation;
  readonly reason: GenerationReason;

  constructor(generation: Generation, reason: GenerationReason) {
    super(reason);
    this.name = "CannotGoOn";
    this.generation = generation;
    this.reason = reason;
  }
}
