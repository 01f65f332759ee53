/**
 * The adversary in real time: a replicated database under everything that may happen to it, restored and compared
 * again and again (docs/soak.md). As a command:
 *
 *     bun run soak [--minutes N] [--seed N] [--histories N] [--save]
 *
 * 30 minutes by default. Ends with a table, which `--save` also puts into docs/soak.md; exits with 1 at the first thing
 * that is not as promised, and leaves the files of that round where they are.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { errorMessage } from "@litestream/core";
import { exploreHistories } from "./histories.ts";
import { planRound } from "./round-plan.ts";
import { type RoundRecord, runRound } from "./round.ts";
import { formatTable, saveTable } from "./table.ts";

/** Long enough for a database to be attacked at its full size; short enough for many page sizes in a few minutes. */
const roundMs = 20_000;

export interface SoakOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly roundMs: number;
  readonly onRound?: (record: RoundRecord) => void;
}

/**
 * Attacks one database after the other.
 * @throws Error with the seed and the round, at the first thing that is not as promised
 */
export async function runSoak({ seed, durationMs, roundMs: eachMs, onRound }: SoakOptions): Promise<RoundRecord[]> {
  const records: RoundRecord[] = [];
  const untilMs = performance.now() + durationMs;
  for (let number = 0; performance.now() < untilMs; number++) {
    const plan = planRound(seed, number);
    const folder = await mkdtemp(join(tmpdir(), "litestream-soak-"));
    try {
      const record = await runRound(plan, Math.min(eachMs, untilMs - performance.now()), folder);
      records.push(record);
      onRound?.(record);
    } catch (error) {
      const round = `round ${number} of seed ${seed}: ${errorMessage(error)}`;
      throw new Error(`${round}\nThe round: ${JSON.stringify(plan)}\nIts files: ${folder}`, { cause: error });
    }
    await rm(folder, { recursive: true });
  }
  return records;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "30" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      histories: { type: "string", default: "20000" },
      save: { type: "boolean", default: false },
    },
  });
  const [minutes, seed, histories] = [Number(values.minutes), Number(values.seed), Number(values.histories)];
  if (!(minutes > 0) || !Number.isInteger(seed) || !(histories >= 0)) throw new Error("not a number, or not positive");
  console.log(`seed ${seed}, ${minutes} minutes, then ${histories} histories`);
  const onRound = (record: RoundRecord): void => console.log(JSON.stringify(record));
  const rounds = await runSoak({ seed, durationMs: minutes * 60_000, roundMs, onRound });
  const explored = histories === 0 ? undefined : await exploreHistories(seed, histories);
  const table = formatTable({ seed, minutes, rounds, explored });
  console.log(table);
  if (values.save) await saveTable(table);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`NOT AS PROMISED: ${errorMessage(error)}`);
    process.exitCode = 1;
  }
}
