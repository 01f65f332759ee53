/**
 * The lag of each replica over the last day, in bounded memory: what is older is kept in wider steps, and of each step
 * the worst, so that no bad moment is averaged away.
 */
export interface HistoryTier {
  readonly stepMs: number;
  readonly steps: number;
}

/** An hour in steps of 5 seconds, a day in steps of 2 minutes: 6 KB for each replica. */
export const defaultTiers: readonly HistoryTier[] = [
  { stepMs: 5000, steps: 720 },
  { stepMs: 120_000, steps: 720 },
];

/** Points of one tier, from old to new. */
export interface HistorySeries {
  readonly stepMs: number;
  /** The beginning of the first step, in milliseconds since 1970. */
  readonly fromMs: number;
  /** The worst lag in each step, in milliseconds; null where nothing was seen. */
  readonly lagMs: readonly (number | null)[];
}

export class LagHistory {
  readonly #tiers: readonly Ring[];

  constructor(tiers: readonly HistoryTier[] = defaultTiers) {
    this.#tiers = tiers.map((tier) => new Ring(tier));
  }

  note(lagMs: number, nowMs: number): void {
    for (const tier of this.#tiers) tier.note(lagMs, nowMs);
  }

  series(nowMs: number): HistorySeries[] {
    return this.#tiers.map((tier) => tier.series(nowMs));
  }
}

class Ring {
  readonly #tier: HistoryTier;
  readonly #worst: Float32Array;
  /** Number of the newest step since 1970; -1 before the first. */
  #newest = -1;
  #oldest = -1;

  constructor(tier: HistoryTier) {
    this.#tier = tier;
    this.#worst = new Float32Array(tier.steps).fill(Number.NaN);
  }

  note(lagMs: number, nowMs: number): void {
    const { stepMs, steps } = this.#tier;
    const step = Math.floor(nowMs / stepMs);
    // A clock that went back is waited for: what was seen stays where it is.
    if (step < this.#newest - steps) this.#clear();
    const at = Math.max(step, this.#newest);
    if (this.#newest === -1) this.#oldest = at;
    else for (let n = Math.max(this.#newest + 1, at - steps + 1); n <= at; n++) this.#worst[n % steps] = Number.NaN;
    this.#newest = at;
    this.#oldest = Math.max(this.#oldest, at - steps + 1);
    const before = this.#worst[at % steps] ?? Number.NaN;
    this.#worst[at % steps] = Number.isNaN(before) ? lagMs : Math.max(before, lagMs);
  }

  series(nowMs: number): HistorySeries {
    const { stepMs, steps } = this.#tier;
    const now = Math.max(Math.floor(nowMs / stepMs), this.#newest);
    const first = this.#newest === -1 ? now : Math.max(this.#oldest, now - steps + 1);
    const lagMs: (number | null)[] = [];
    for (let step = first; step <= now; step++) {
      const worst = step > this.#newest ? Number.NaN : (this.#worst[step % steps] ?? Number.NaN);
      lagMs.push(Number.isNaN(worst) ? null : Math.round(worst));
    }
    return { stepMs, fromMs: first * stepMs, lagMs };
  }

  #clear(): void {
    this.#worst.fill(Number.NaN);
    this.#newest = -1;
    this.#oldest = -1;
  }
}
