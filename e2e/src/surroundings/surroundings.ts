/**
 * The world around a database: a mixed load, and whatever may happen to a database, its folder, its disks and its
 * replicator, at random; after each, everything that was acknowledged must be in a restore. As a command:
 *
 *     bun run surroundings [--minutes N] [--seed N] [--save]
 *
 * An hour by default. Ends with a table, which `--save` also puts into docs/operations.md; exits with 1 at the first
 * thing that is not as promised.
 */
import { parseArgs } from "node:util";
import { SeededRandom } from "@litestream/testkit";
import { errorMessage } from "@litestream/core";
import { happeningsIn } from "./happenings.ts";
import { formatSurroundings, saveSurroundings } from "./table.ts";
import { World } from "./world.ts";

const comparisonsPerReplica = 50;

export interface SurroundingsRecord {
  readonly seed: number;
  readonly durationMs: number;
  readonly transactions: number;
  readonly comparisons: number;
  /** How often each thing happened. */
  readonly happened: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  /** Of the process that replicates, after each comparison. */
  readonly memoryBytes: readonly number[];
}

/** @throws Error that begins with LOST or CORRUPT, or says what did not come in the end */
export async function runSurroundings(
  seed: number,
  durationMs: number,
  say: (line: string) => void = () => undefined,
): Promise<SurroundingsRecord> {
  const random = new SeededRandom(seed);
  await using world = await World.create(random);
  const happenings = [...happeningsIn(world)];
  const happened: Record<string, number> = {};
  let comparisons = 0;
  await world.compare();
  const beganAtMs = performance.now();
  // Each once, in any order, and then at random: a short run meets as many as it can.
  const pending = shuffled(happenings, random);
  while (performance.now() - beganAtMs < durationMs) {
    const next = pending.pop() ?? happenings[random.below(happenings.length)];
    if (next === undefined) throw new Error("there is something that can happen");
    const [name, happen] = next;
    try {
      await happen(world);
      await world.compare();
    } catch (error) {
      throw new Error(`seed ${seed}, after "${name}": ${errorMessage(error)}`, { cause: error });
    }
    happened[name] = (happened[name] ?? 0) + 1;
    // Retention leaves what readers may still read for ten minutes: more than the disk of the replica has.
    if (comparisons % comparisonsPerReplica === comparisonsPerReplica - 1) await world.beginReplicaAnew();
    comparisons++;
    world.events.length = 0;
    say(`${new Date().toISOString()} ${comparisons} ${name} ${Math.round((world.memoryBytes.at(-1) ?? 0) / 1e6)} MB`);
  }
  await world.stopWriter("stop");
  await world.compare();
  return {
    seed,
    durationMs: performance.now() - beganAtMs,
    transactions: world.transactions,
    comparisons: comparisons + 1,
    happened,
    counts: world.counts,
    memoryBytes: world.memoryBytes,
  };
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const keyed = items.map((item) => ({ item, key: random.fraction() }));
  return keyed.toSorted((a, b) => a.key - b.key).map(({ item }) => item);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      save: { type: "boolean", default: false },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error("not a number, or not positive");
  console.log(`seed ${seed}, ${minutes} minutes`);
  const record = await runSurroundings(seed, minutes * 60_000, console.log);
  const table = formatSurroundings(record);
  console.log(table);
  if (values.save) await saveSurroundings(table);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`NOT AS PROMISED: ${errorMessage(error)}`);
    process.exitCode = 1;
  }
}
