// Runs the tests of the package in the current folder and leaves their results for scripts/test.ts to add up.
// Arguments are handed to `bun test`: a part of a file's name, or --seed=N to repeat an order that failed.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseJunit } from "./junit.ts";
import type { Results } from "./results.ts";

/** Long enough to say nothing about speed; a test that takes longer gives its own limit. */
const testTimeoutMs = 60_000;

const packageName = basename(process.cwd());
const resultsFolder = join(import.meta.dirname, "../.test-results");
const report = join(resultsFolder, `${packageName}.xml`);
await mkdir(resultsFolder, { recursive: true });
await rm(report, { force: true });

// A temporary folder of their own shows what the tests leave behind.
const temp = await mkdtemp(join(tmpdir(), "litestream-test-"));
let exitCode: number;
let leftovers: string[];
try {
  const child = Bun.spawn(
    [
      process.execPath,
      "test",
      "--only-failures",
      "--pass-with-no-tests",
      "--randomize",
      `--timeout=${testTimeoutMs}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...process.argv.slice(2),
    ],
    { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, TMPDIR: temp } },
  );
  exitCode = await child.exited;
  // Bun's own are `bun-node-*`, the stand-in for `node` that `bun --bun` puts on the PATH, and `.bun-*.node`, the
  // native module that a compiled executable unpacks there and uses again the next time.
  leftovers = (await readdir(temp)).filter((name) => !/^bun-node-|^\.bun-[\w-]+\.node$/.test(name));
} finally {
  await rm(temp, { recursive: true, force: true });
}

const xml = await readFile(report, "utf8").catch(() => "");
const outcomes = parseJunit(xml);
const named = (status: string): string[] =>
  outcomes.filter((outcome) => outcome.status === status).map((outcome) => `${packageName}: ${outcome.name}`);
const failed = named("failed");
if (exitCode !== 0 && failed.length === 0) {
  failed.push(`${packageName}: bun test ended with exit code ${exitCode}, outside of any test`);
}
if (leftovers.length > 0) {
  failed.push(`${packageName}: the tests left behind in the temporary folder: ${leftovers.join(", ")}`);
}
const results: Results = { passed: named("passed").length, failed, skipped: named("skipped") };
await writeFile(join(resultsFolder, `${packageName}.json`), `${JSON.stringify(results, null, 2)}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
