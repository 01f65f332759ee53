import { join } from "node:path";
import { count } from "./replication.ts";

const root = join(import.meta.dirname, "../../..");

/** What the exploration of random histories came to; see packages/core/test/exploration. */
export interface Explored {
  readonly histories: number;
  readonly comparisons: number;
  readonly indexes: number;
  readonly generations: Readonly<Record<string, number>>;
}

/** So many histories are one test, which has a time limit. */
const batchMax = 5000;

/** Runs core's exploration, so many histories of it. @throws Error with what it says, where one of them fails */
export async function exploreHistories(seed: number, histories: number): Promise<Explored> {
  const generations: Record<string, number> = {};
  let [done, comparisons, indexes] = [0, 0, 0];
  for (let batch = 0; done < histories; batch++) {
    const explored = await exploreBatch((seed + batch) % 2 ** 32, Math.min(batchMax, histories - done));
    done += explored.histories;
    comparisons += explored.comparisons;
    indexes += explored.indexes;
    for (const [reason, times] of Object.entries(explored.generations)) count(generations, reason, times);
  }
  return { histories: done, comparisons, indexes, generations };
}

async function exploreBatch(seed: number, histories: number): Promise<Explored> {
  const child = Bun.spawn([process.execPath, "test", "./packages/core/test/db/exploration.test.ts", "--timeout=0"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LITESTREAM_HISTORIES: String(histories), LITESTREAM_HISTORY_SEED: String(seed) },
  });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`the exploration failed:\n${stdout}${stderr}`);
  const line = stdout.split("\n").find((candidate) => candidate.startsWith("{"));
  if (line === undefined) throw new Error(`the exploration said nothing of its results:\n${stdout}${stderr}`);
  return JSON.parse(line) as Explored;
}
