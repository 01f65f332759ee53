/**
 * Puts databases into a watched folder and takes them out, under load, and prints what became of each kind:
 *
 *     npm run churn -- [--rounds N] [--steady N] [--rate N] [--seed N]
 */
import { parseArgs } from "node:util";
import { tempFolder } from "@litestream/testkit";
import { churn, type Round } from "./churn.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    steady: { type: "string", default: "4" },
    rate: { type: "string", default: "100" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
  },
});

console.log(`seed ${values.seed}`);
await using folder = await tempFolder();
const report = await churn(folder, {
  seed: Number(values.seed),
  rounds: Number(values.rounds),
  steady: Number(values.steady),
  rate: Number(values.rate),
  onRound: ({ comes, goes, lagMs }) => process.stdout.write(`${comes}, ${goes}: ${Math.round(lagMs)} ms\n`),
});
const kinds = Map.groupBy(report.rounds, ({ comes }) => comes);
console.log("\n| comes | databases | lag p50 (ms) | lag max (ms) | transactions | lost |");
console.log("| --- | --- | --- | --- | --- | --- |");
for (const [comes, rounds] of kinds) console.log(`| ${[comes, ...figuresOf(rounds)].join(" | ")} |`);
const steady = report.steady.map(({ acknowledged, restored }) => ({ acknowledged, lost: acknowledged - restored }));
console.log(
  `\nsteady: ${steady.map(({ acknowledged, lost }) => `${acknowledged} transactions, ${lost} lost`).join("; ")}`,
);
process.exit(report.exitCode ?? 1);

function figuresOf(rounds: readonly Round[]): number[] {
  const lags = rounds.map(({ lagMs }) => Math.round(lagMs)).sort((a, b) => a - b);
  const sum = (of: (round: Round) => number): number => rounds.reduce((total, round) => total + of(round), 0);
  const [p50 = 0, max = 0] = [lags[lags.length >> 1], lags.at(-1)];
  const lost = sum(({ acknowledged, restored }) => acknowledged - restored);
  return [rounds.length, p50, max, sum(({ acknowledged }) => acknowledged), lost];
}
