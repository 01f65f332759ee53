import { expect } from "bun:test";
import { skipUnless } from "@litestream/testkit/skip";
import { distributionNames, obstacleTo } from "../../distribution/distributions.ts";
import { tryDistribution } from "../../distribution/try.ts";

const timeoutMs = 300_000;

for (const name of distributionNames) {
  const obstacle = obstacleTo(name);
  const testWhereItRuns = skipUnless(obstacle === undefined ? name : undefined, obstacle ?? "");
  testWhereItRuns(
    `the ${name} passes end-to-end tests that were written for the checkout`,
    async () => {
      const { passed, tests, said } = await tryDistribution(name, "short");
      if (!passed) throw new Error(said);
      expect(tests).toBeGreaterThan(8);
    },
    timeoutMs,
  );
}
