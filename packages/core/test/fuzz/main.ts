/**
 * `bun run fuzz [--cases N] [--seed N] [--golden FOLDER]`: prints what became of each outcome; exit code 1 on a bug.
 */
import { parseArgs } from "node:util";
import { tempFolder } from "@litestream/testkit";
import { fixtureReplicas, Fuzzer, goldenReplicas } from "./fuzz.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "10000" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    /** The archive of golden replicas, unpacked. */
    golden: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});
const [cases, seed] = [Number(values.cases), Number(values.seed)];
if (!Number.isInteger(cases) || cases < 1 || !Number.isInteger(seed)) throw new Error("--cases and --seed are numbers");

await using folder = await tempFolder();
const replicas = values.golden === undefined ? fixtureReplicas() : goldenReplicas(values.golden);
const fuzzer = await Fuzzer.create(folder, replicas);
const counts = new Map<string, number>();
console.log(`${cases} cases from seed ${seed}, of ${replicas.length + 1} replicas`);
for (let i = 0; i < cases; i++) {
  const found = await fuzzer.run(seed + i);
  counts.set(found.outcome, (counts.get(found.outcome) ?? 0) + 1);
  const isBug = found.outcome === "silent" || found.outcome === "crash";
  if (isBug || values.verbose) console.log(JSON.stringify(found));
  if (isBug) process.exitCode = 1;
}
console.log(JSON.stringify(Object.fromEntries(counts)));
