import { SeededRandom } from "@litestream/testkit";
import { type History, randomHistory } from "./history.ts";
import { runHistory } from "./run-history.ts";
import { shrink } from "./shrink.ts";

export interface Exploration {
  readonly histories: number;
  readonly comparisons: number;
  /** WAL restarts that were taken as the next index of the same generation. */
  readonly indexes: number;
  readonly generations: Readonly<Record<string, number>>;
}

/**
 * Runs histories that `random` makes. One that fails is made as small as it gets.
 * @throws Error with the history as a script: the argument of `runHistory`
 */
export async function explore(random: SeededRandom, histories: number): Promise<Exploration> {
  const generations: Record<string, number> = {};
  let comparisons = 0;
  let indexes = 0;
  for (let count = 0; count < histories; count++) {
    const history = randomHistory(new SeededRandom(random.uint32()));
    const failure = await failureOf(history);
    if (failure.error !== undefined) throw await described(history);
    comparisons += failure.result?.comparisons ?? 0;
    indexes += failure.result?.indexes ?? 0;
    for (const [reason, times] of failure.result?.generations ?? []) {
      generations[reason] = (generations[reason] ?? 0) + times;
    }
  }
  return { histories, comparisons, indexes, generations };
}

interface Outcome {
  readonly error?: unknown;
  readonly result?: Awaited<ReturnType<typeof runHistory>>;
}

async function failureOf(history: History): Promise<Outcome> {
  try {
    return { result: await runHistory(history) };
  } catch (error) {
    return { error };
  }
}

async function described(history: History): Promise<Error> {
  const smallest = await shrink(history, async (smaller) => (await failureOf(smaller)).error !== undefined);
  const { error } = await failureOf(smallest);
  const why = error instanceof Error ? error.message : String(error);
  return new Error(`${why}\nThe history: ${JSON.stringify(smallest)}`, { cause: error });
}
