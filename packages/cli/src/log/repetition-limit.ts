/** A failure that goes on, such as a full disk, says the same at each poll: once in this time is enough. */
const repeatedMs = 30_000;

interface Repetition {
  readonly saidAtMs: number;
  suppressed: number;
}

/** Lets the same message pass once in a while, and counts those that it held back. */
export class RepetitionLimit {
  readonly #said = new Map<string, Repetition>();

  /** How many were held back since the last one passed; undefined when this one is held back, too. */
  pass(message: string, nowMs: number): { readonly suppressed: number } | undefined {
    const last = this.#said.get(message);
    if (last !== undefined && nowMs - last.saidAtMs < repeatedMs) {
      last.suppressed++;
      return undefined;
    }
    for (const [other, { saidAtMs }] of this.#said) {
      if (nowMs - saidAtMs >= repeatedMs) this.#said.delete(other);
    }
    this.#said.set(message, { saidAtMs: nowMs, suppressed: 0 });
    return { suppressed: last?.suppressed ?? 0 };
  }
}
