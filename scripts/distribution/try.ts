/**
 * `npm run distributions`: end-to-end tests, written for the checkout, against each way in which the command is
 * distributed. Names of them as arguments choose; `--short` runs a part of the tests. When all of them have run to the
 * end, docs/install.md is told.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./command-entries.ts";
import { type DistributionName, distributionNames, obstacleTo, prepareDistribution } from "./distributions.ts";

interface Suite {
  readonly folder: string;
  readonly files: readonly string[];
  /** A part of the tests' names, as a regular expression. */
  readonly names?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The main job, kills, stops, taking turns with Litestream, configuration and refusals. */
const long: readonly Suite[] = [
  { folder: "e2e", files: ["main-job", "test/kill", "interop-v034", "s3-interop", "unpublished"] },
  { folder: "packages/cli", files: ["help", "bad-input", "restore.test", "replicate.test", "log"] },
];

const short: readonly Suite[] = [
  {
    folder: "e2e",
    files: ["main-job", "test/kill"],
    names: "page size 4096|SIGTERM|kill -9 of the replicator",
    env: { LITESTREAM_KILLS: "3" },
  },
  { folder: "packages/cli", files: ["help", "replicate.test"] },
];

export interface Trial {
  readonly passed: boolean;
  readonly tests: number;
  readonly said: string;
}

/** Runs the tests against a distribution, in a temporary folder that is removed afterwards. */
export async function tryDistribution(name: DistributionName, extent: "long" | "short"): Promise<Trial> {
  const folder = await mkdtemp(join(tmpdir(), `litestream-${name}-`));
  try {
    const { command, env } = await prepareDistribution(name, folder);
    const temp = env["TMPDIR"] ?? join(folder, "temp");
    await mkdir(temp, { recursive: true });
    const trials: Trial[] = [];
    for (const suite of extent === "long" ? long : short) {
      const pattern = suite.names === undefined ? [] : ["--test-name-pattern", suite.names];
      const child = Bun.spawn([process.execPath, "test", "--timeout=60000", ...pattern, ...suite.files], {
        cwd: join(root, suite.folder),
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...suite.env, ...env, TMPDIR: temp, LITESTREAM_COMMAND: JSON.stringify(command) },
      });
      const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
      const tests = Number(/^\s*(\d+) pass$/m.exec(err)?.[1] ?? 0);
      trials.push({ passed: exitCode === 0, tests, said: `${out}${err}` });
    }
    return {
      passed: trials.every(({ passed, tests }) => passed && tests > 0),
      tests: trials.reduce((sum, { tests }) => sum + tests, 0),
      said: trials.map(({ said }) => said).join("\n"),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    options: { short: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const chosen = distributionNames.filter((name) => positionals.length === 0 || positionals.includes(name));
  if (chosen.length === 0) throw new Error(`a distribution is one of: ${distributionNames.join(", ")}`);
  const rows: string[] = [];
  for (const name of chosen) {
    const obstacle = obstacleTo(name);
    if (obstacle !== undefined) {
      console.log(`${name}: skipped, ${obstacle}`);
      continue;
    }
    const begunMs = performance.now();
    const { passed, tests, said } = await tryDistribution(name, values.short ? "short" : "long");
    const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
    console.log(passed ? `${name}: ${tests} tests passed (${seconds} s)` : `${said}\n${name}: FAILED`);
    rows.push(`| ${name} | ${tests} | ${passed ? "passed" : "**failed**"} | ${seconds} s |`);
    if (!passed) process.exitCode = 1;
  }
  if (!values.short && rows.length === distributionNames.length) await record(rows);
}

/** Puts the table into the page, between its two marks. */
async function record(rows: readonly string[]): Promise<void> {
  const path = join(root, "docs/install.md");
  const [begin, end] = ["<!-- distributions: begin -->", "<!-- distributions: end -->"];
  const day = new Date().toISOString().slice(0, 10);
  const table = `${begin}\n\n| ${day} | tests | | |\n| --- | --: | --- | --: |\n${rows.join("\n")}\n\n${end}`;
  const page = await readFile(path, "utf8");
  await writeFile(path, page.slice(0, page.indexOf(begin)) + table + page.slice(page.indexOf(end) + end.length));
}
