import { profiles, type ProfileName, SeededRandom } from "@litestream/testkit";
import type { DatabaseSettings } from "../config-file.ts";
import { pick } from "./loops.ts";

export const pageSizes = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] as const;

/** What one round is: a database, those who use it, and how it is replicated. The same for the same seed and number. */
export interface RoundPlan {
  readonly seed: number;
  readonly number: number;
  readonly pageSize: number;
  readonly profile: ProfileName;
  readonly pagesPerTransaction: number;
  readonly rowsMax: number;
  /** Transactions of the killed writer per second, at most. */
  readonly rate: number;
  readonly synchronous: "normal" | "full";
  readonly autocheckpointPages: number;
  /** How much longer each flush of the WAL by the killed writer takes. */
  readonly flushDelayMs: number;
  /** Writers besides, which are killed now and then. */
  readonly otherWriters: number;
  readonly readers: number;
  readonly settings: DatabaseSettings;
}

/** About the size in bytes that a database grows to. */
const databaseSizeBytes = 6e6;

export function planRound(seed: number, number: number): RoundPlan {
  const random = new SeededRandom(seed, number);
  const pageSize = pageSizes[(new SeededRandom(seed).below(pageSizes.length) + number * 3) % pageSizes.length] ?? 4096;
  const names = Object.keys(profiles) as [ProfileName, ...ProfileName[]];
  return {
    seed,
    number,
    pageSize,
    profile: pick(random, names),
    pagesPerTransaction: 1 + random.below(8),
    rowsMax: Math.max(40, Math.min(1000, Math.floor(databaseSizeBytes / pageSize))),
    rate: pick(random, [20, 60, 200]),
    synchronous: pick(random, ["full", "full", "full", "normal"]),
    autocheckpointPages: pick(random, [1000, 200, 20, 0]),
    flushDelayMs: pick(random, [5, 20, 60]),
    otherWriters: random.below(3),
    readers: 1 + random.below(2),
    settings: {
      "monitor-interval": pick(random, ["50ms", "200ms", "1s"]),
      "checkpoint-interval": pick(random, ["1s", "1m"]),
      "min-checkpoint-page-count": pick(random, [10, 50, 200]),
      "max-checkpoint-page-count": pick(random, [300, 10_000]),
      "busy-timeout": pick(random, ["100ms", "1s"]),
    },
  };
}

/** As it is printed before a round begins, and where one fails. */
export function describeRound(plan: RoundPlan): string {
  return JSON.stringify(plan);
}
