/** A renewal takes at most one part in so many of the time, however often it is asked for. */
const restFactor = 20;
const restMsMin = 50;

/**
 * A value that costs something, kept for a moment: two hundred scrapes a second cost little more than one. Who asks
 * while it is renewed waits for that renewal.
 */
export class Cached<T> {
  readonly #renew: () => Promise<T>;
  #pending: Promise<T> | undefined;
  #value: { readonly value: T; readonly untilMs: number } | undefined;

  constructor(renew: () => Promise<T>) {
    this.#renew = renew;
  }

  get(): Promise<T> {
    if (this.#pending !== undefined) return this.#pending;
    if (this.#value !== undefined && performance.now() < this.#value.untilMs) return Promise.resolve(this.#value.value);
    this.#pending = this.#renewed().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #renewed(): Promise<T> {
    const startedAtMs = performance.now();
    const value = await this.#renew();
    const nowMs = performance.now();
    this.#value = { value, untilMs: nowMs + Math.max(restMsMin, restFactor * (nowMs - startedAtMs)) };
    return value;
  }
}
