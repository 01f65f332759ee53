import type { EmitEvent } from "../events.ts";
import type { Position } from "../position.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import type { KnownEnd, LayoutWriter } from "./layout-writer.ts";

export interface FinisherParts {
  /** Of the replica. */
  readonly name: string;
  readonly writer: () => LayoutWriter;
  readonly knownEnd: KnownEnd;
  /** Called when a superseded WAL is not whole, which `takeBroken` has then. */
  readonly onBroken: () => void;
  readonly emit: EmitEvent;
}

/** Gives superseded WALs their last form, while new WAL goes on to be copied. */
export class Finisher {
  readonly #parts: FinisherParts;
  /** Never rejects. */
  #work: Promise<void> | undefined;
  #broken: CannotGoOn | undefined;
  /** It failed, which was said; it is tried again with each sync. */
  #fails = false;
  /** Up to where nothing is left to do. */
  #doneBefore: Position | undefined;

  constructor(parts: FinisherParts) {
    this.#parts = parts;
  }

  /** Everything is looked at again. */
  forget(): void {
    this.#doneBefore = undefined;
  }

  /** Resolves when what is under way has ended; what failed is an event. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** A WAL that was found not to be whole ends its generation: to be thrown by the next sync. */
  takeBroken(): CannotGoOn | undefined {
    const broken = this.#broken;
    this.#broken = undefined;
    return broken;
  }

  /** Begins with all WAL before `position`, unless that was done, or is under way. */
  start(position: Position, signal: AbortSignal | undefined): void {
    const done = this.#doneBefore;
    if (done?.generation === position.generation && done.index === position.index) return;
    if (this.#work !== undefined) return;
    this.#work = this.#finish(position, signal).finally(() => {
      this.#work = undefined;
    });
  }

  async #finish(position: Position, signal: AbortSignal | undefined): Promise<void> {
    const { name, writer, knownEnd, onBroken, emit } = this.#parts;
    const { generation } = position;
    try {
      for await (const { index, sizeBytes } of writer().finishBefore(position, knownEnd, signal)) {
        emit({ type: "wal-compressed", replica: name, generation, index, sizeBytes });
      }
      this.#fails = false;
      this.#doneBefore = position;
    } catch (error) {
      if (signal?.aborted === true) return;
      if (error instanceof CannotGoOn) {
        this.#broken = error;
        onBroken();
      } else if (!this.#fails) {
        // The WAL is there all the same: no sync fails for this.
        this.#fails = true;
        emit({ type: "error", operation: "compress wal", replica: name, error });
      }
    }
  }
}
