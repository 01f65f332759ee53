// `npm test`: format, lint, types, build, then the tests of every package. Everything runs even when something before
// it failed, so that one run tells all there is to mend.
import { readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { addResults, formatSummary, type Results } from "./results.ts";

const root = join(import.meta.dirname, "..");
const resultsFolder = join(root, ".test-results");

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** What to do when it fails. */
  readonly hint: string;
}

/** `--bun` runs the tools by this Bun, so that they need no Node. */
const turbo = [process.execPath, "--bun", "run", "--silent", "turbo", "run"];
const oxfmt = [process.execPath, "--bun", "run", "--silent", "oxfmt", "--check"];

const checks: readonly Check[] = [
  { name: "format", command: oxfmt, hint: "`npm run format` formats the files" },
  { name: "lint", command: [...turbo, "lint", "--continue", "--output-logs=errors-only"], hint: "see above" },
  { name: "typecheck", command: [...turbo, "typecheck", "--continue", "--output-logs=errors-only"], hint: "see above" },
  {
    name: "build",
    command: [...turbo, "build", "--continue=dependencies-successful", "--output-logs=errors-only"],
    hint: "see above",
  },
];

async function runCheck({ name, command, hint }: Check): Promise<Results> {
  const start = performance.now();
  const child = Bun.spawn([...command], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (exitCode === 0) {
    console.log(`${name.padEnd(10)} ok (${seconds} s)`);
    return { passed: 1, failed: [], skipped: [] };
  }
  console.log(`${out}${err}\n${name.padEnd(10)} FAILED (${seconds} s)`);
  return { passed: 0, failed: [`${name}: exit code ${exitCode}; ${hint}`], skipped: [] };
}

/** Names of the folders of the workspace's packages that have tests to run. */
async function testedPackages(): Promise<string[]> {
  const names: string[] = [];
  for (const pattern of ["packages/*/package.json", "*/package.json"]) {
    for await (const path of new Bun.Glob(pattern).scan({ cwd: root })) {
      const manifest = JSON.parse(await readFile(join(root, path), "utf8")) as { scripts?: Record<string, string> };
      if (manifest.scripts?.["test"] !== undefined) names.push(basename(dirname(path)));
    }
  }
  return names.sort();
}

async function runTests(): Promise<Results[]> {
  const names = await testedPackages();
  await rm(resultsFolder, { recursive: true, force: true });
  // One package at a time: tests of the whole command are not to compete with each other for the machine.
  const command = [...turbo, "test", "--continue", "--concurrency=1", "--output-logs=full", "--log-order=stream"];
  const child = Bun.spawn(command, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  await child.exited;
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(resultsFolder, `${name}.json`), "utf8").catch(() => undefined);
      if (text !== undefined) return JSON.parse(text) as Results;
      return { passed: 0, failed: [`${name}: its tests did not run to their end`], skipped: [] };
    }),
  );
}

const checked: Results[] = [];
for (const check of checks) checked.push(await runCheck(check));
const tested = addResults(await runTests());
const nothingRan: Results[] =
  tested.passed + tested.failed.length === 0 ? [{ passed: 0, failed: ["tests: not one test ran"], skipped: [] }] : [];
const results = addResults([...checked, tested, ...nothingRan]);
console.log(`\n${formatSummary(results)}`);
process.exitCode = results.failed.length === 0 ? 0 : 1;
