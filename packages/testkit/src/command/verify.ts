import { defineCommand } from "citty";
import { type FixtureReport, verifyFixture } from "../fixture/verify-fixture.ts";
import { Interruption } from "./interruption.ts";
import { type RunSubcommand, subcommand } from "./invoke.ts";
import { oneLine, printJson, printOut } from "./output.ts";
import { Progress } from "./progress.ts";
import { formatCount } from "./size.ts";
import { UsageError } from "./usage-error.ts";

const flags = {
  dir: { type: "positional", required: false, description: "The folder of a fixture." },
  json: { type: "boolean", description: "Prints JSON." },
} as const;

const command = defineCommand({
  meta: {
    name: "verify",
    description:
      "Checks the fixture in DIR against its manifest, and changes nothing.\n" +
      "Exit code 1 if anything is not as it was generated, described damage too.",
  },
  args: flags,
  async run({ args }): Promise<number> {
    const [dir, ...others] = args._;
    if (dir === undefined || others.length > 0) throw new UsageError("verify: takes one DIR, as in: verify DIR");
    using interruption = new Interruption();
    let report: FixtureReport;
    try {
      using progress = new Progress();
      report = await verifyFixture(dir, {
        signal: interruption.signal,
        onProgress: ({ bytes, totalBytes }) => progress.update("states", bytes, totalBytes),
      });
    } catch (error) {
      if (interruption.exitCode === undefined) throw error;
      return interruption.exitCode;
    }
    if (args.json === true) printJson({ dir, ...report });
    else printOut(describe(dir, report));
    return report.findings.length === 0 ? 0 : 1;
  },
});

export const verify: RunSubcommand = subcommand("verify", flags, command);

function describe(dir: string, report: FixtureReport): string {
  const { findings, damage, digestsCompared, isAsDescribed, lastWholeCommit } = report;
  const states = `${formatCount(digestsCompared, "state")} compared`;
  if (findings.length === 0) return `${dir}: as it was generated; ${states}, integrity check ok`;
  const lines = findings.map(({ message }) => `${dir}/${oneLine(message)}`);
  for (const { kind, file, offset, lengthBytes, seed } of damage) {
    const what = `${kind} of ${formatCount(lengthBytes, "byte")} at byte ${offset} of ${file}, seed ${seed}`;
    lines.push(`${dir}: the manifest describes: ${what}`);
  }
  const last =
    lastWholeCommit === null
      ? "no commit is whole"
      : `the last whole commit is that of transaction ${lastWholeCommit.marker}, at byte ${lastWholeCommit.offset}`;
  const verdict = isAsDescribed ? "damaged, as described" : "not as it was generated";
  return [...lines, `${dir}: ${verdict}; ${last}`].join("\n");
}
