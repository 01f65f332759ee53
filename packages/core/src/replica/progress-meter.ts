import type { EmitEvent } from "../events.ts";

/** Observers see it move, and work is not held up by telling. */
const intervalMs = 100;

/** Tells how far a snapshot or a validation of a replica has come, a few times a second. */
export class ProgressMeter {
  readonly #emit: EmitEvent;
  readonly #replica: string;
  readonly #operation: "snapshot" | "validation";
  #toldAtMs: number = performance.now();

  constructor(emit: EmitEvent, replica: string, operation: "snapshot" | "validation") {
    this.#emit = emit;
    this.#replica = replica;
    this.#operation = operation;
  }

  update(doneBytes: number, totalBytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < intervalMs) return;
    this.#toldAtMs = nowMs;
    this.#emit({
      type: "progress",
      replica: this.#replica,
      operation: this.#operation,
      doneBytes,
      // The database may have grown since.
      totalBytes: Math.max(totalBytes, doneBytes),
    });
  }
}
