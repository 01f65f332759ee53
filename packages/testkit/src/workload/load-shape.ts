import { SeededRandom } from "../seeded-random.ts";

/**
 * When transactions fall due, from a start on. Rates are in transactions per second, above 0.
 * - `constant`: evenly, the first at once.
 * - `burst`: `transactions` at once, then none until `periodMs` have passed since, again and again.
 * - `random`: gaps with an exponential distribution, as when many clients act independently, `rate` on average; the
 *   same for the same seed (an integer from 0 to 2^32 - 1).
 * - `wave`: a rate that goes from `lowRate`, which may be 0, up to `highRate` and down again in `periodMs`, as a sine.
 */
export type LoadShape =
  | { readonly type: "constant"; readonly rate: number }
  | { readonly type: "burst"; readonly transactions: number; readonly periodMs: number }
  | { readonly type: "random"; readonly rate: number; readonly seed: number }
  | { readonly type: "wave"; readonly lowRate: number; readonly highRate: number; readonly periodMs: number };

/** Counts the transactions that are due, as time goes by. Pure: the time is given. */
export class LoadSchedule {
  readonly #times: Iterator<number, void>;
  #due = 0;
  #nextMs: number;

  /** @throws RangeError for a shape with a number out of its range. */
  constructor(shape: LoadShape) {
    requireLoadShape(shape);
    this.#times = dueTimesMs(shape);
    this.#nextMs = this.#times.next().value ?? Infinity;
  }

  /** When the next one falls due that `due` has not counted yet, in milliseconds since the start. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** Transactions due by `elapsedMs` since the start, all together; never less than it said before. */
  due(elapsedMs: number): number {
    while (this.#nextMs <= elapsedMs) {
      this.#due++;
      this.#nextMs = this.#times.next().value ?? Infinity;
    }
    return this.#due;
  }
}

/** Transactions due in the first `elapsedMs` milliseconds. */
export function transactionsDue(shape: LoadShape, elapsedMs: number): number {
  return new LoadSchedule(shape).due(elapsedMs);
}

/** @throws RangeError unless a load of this shape goes on for ever. */
export function requireLoadShape(shape: LoadShape): void {
  const { type, ...numbers } = shape;
  const refuse = (name: string, value: number): never => {
    throw new RangeError(`a ${type} load cannot have ${name} ${value}`);
  };
  for (const [name, value] of Object.entries(numbers)) {
    const mayBeZero = name === "lowRate" || name === "seed";
    if (!Number.isFinite(value) || value < 0 || (value === 0 && !mayBeZero)) refuse(name, value);
  }
  if (shape.type === "burst" && !Number.isInteger(shape.transactions)) refuse("transactions", shape.transactions);
  if (shape.type === "wave" && shape.highRate < shape.lowRate) refuse("highRate", shape.highRate);
}

/** The times, in milliseconds since the start, at which one transaction each falls due: ascending, without end. */
function* dueTimesMs(shape: LoadShape): Generator<number, void> {
  switch (shape.type) {
    case "constant":
      for (let i = 0; ; i++) yield (i * 1000) / shape.rate;
    case "burst":
      for (let i = 0; ; i++) yield Math.floor(i / shape.transactions) * shape.periodMs;
    case "random": {
      const random = new SeededRandom(shape.seed);
      // 1 - fraction is never 0, so that its logarithm is finite.
      for (let ms = 0; ;) yield (ms += (-Math.log(1 - random.fraction()) * 1000) / shape.rate);
    }
    case "wave":
      for (let i = 0, ms = 0; ; i++) yield (ms = waveReaches(shape, i, ms));
  }
}

/**
 * When a wave has brought `count` transactions, not before `fromMs`. With the rate `mean - swing * cos(2 pi t / P)`
 * that is where its integral, `mean * t - swing * P / (2 pi) * sin(2 pi t / P)`, is `count`: found by halving, since
 * the integral only ever rises.
 */
function waveReaches(shape: LoadShape & { type: "wave" }, count: number, fromMs: number): number {
  const mean = (shape.highRate + shape.lowRate) / 2000;
  const swing = (shape.highRate - shape.lowRate) / 2000;
  const radius = shape.periodMs / (2 * Math.PI);
  let low = fromMs;
  let high = Math.max(fromMs, (count + swing * radius) / mean);
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (mean * middle - swing * radius * Math.sin(middle / radius) < count) low = middle;
    else high = middle;
  }
  return high;
}
