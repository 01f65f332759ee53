/**
 * Takes the product's rules out, one at a time, in a copy of this checkout, and looks which tests notice:
 *
 *     bun run mutations [PART OF A NAME...]
 *
 * Ends with a table (docs/guarantees.md). Exits with 1 where a rule can be taken out without the test that stands for
 * it failing, and where a rule is no longer found.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseJunit } from "./junit.ts";
import { type Mutation, mutations } from "./mutation-list.ts";

const root = join(import.meta.dirname, "..");
const sourceFolder = "packages/core/src";
const testFolder = "packages/core/test";
/** A test may wait in vain without its rule. A run that does not end counts as nothing noticed. */
const [runMaxMs, testMaxMs] = [900_000, 30_000];
/** Named in the table at most, besides the one that stands for the rule. */
const othersMax = 2;

/** A copy of what the tests need, in which sources may be changed. */
class Copy implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Copy> {
    const folder = await mkdtemp(join(tmpdir(), "litestream-mutations-"));
    for (const part of ["package.json", "bunfig.toml", "tsconfig.base.json", "packages/core", "packages/testkit"]) {
      const filter = (path: string): boolean => !/(?:^|\/)(?:node_modules|dist)$/.test(path.slice(root.length));
      await cp(join(root, part), join(folder, part), { recursive: true, filter });
    }
    const [modules, ours] = [join(folder, "node_modules"), join(folder, "node_modules/@litestream")];
    await mkdir(ours, { recursive: true });
    for (const name of await readdir(join(root, "node_modules"))) {
      if (name !== "@litestream") await symlink(join(root, "node_modules", name), join(modules, name));
    }
    for (const name of ["core", "testkit"])
      await symlink(relative(ours, join(folder, "packages", name)), join(ours, name));
    return new Copy(folder);
  }

  /** Runs its tests without the rule. @returns the names of those that failed; undefined when they did not end */
  async failuresWithout(mutation: Mutation): Promise<string[] | undefined> {
    const path = join(this.#folder, sourceFolder, mutation.file);
    const source = await readFile(path, "utf8");
    await writeFile(path, mutated(source, mutation));
    try {
      return await this.failures(mutation.tests);
    } finally {
      await writeFile(path, source);
    }
  }

  /** Runs the tests of these folders. @returns as `failuresWithout` */
  async failures(tests: readonly string[]): Promise<string[] | undefined> {
    const report = join(this.#folder, "report.xml");
    await rm(report, { force: true });
    const temp = join(this.#folder, "tmp");
    await mkdir(temp, { recursive: true });
    const folders = tests.map((name) => `./${testFolder}/${name}/`);
    const child = Bun.spawn(
      [
        process.execPath,
        "test",
        ...folders,
        `--timeout=${testMaxMs}`,
        "--reporter=junit",
        `--reporter-outfile=${report}`,
      ],
      {
        cwd: this.#folder,
        stdio: ["ignore", "ignore", "ignore"],
        env: { ...process.env, TMPDIR: temp, LITESTREAM_HISTORY_SEED: "1", LITESTREAM_POWER_LOSS_SEED: "1" },
        timeout: runMaxMs,
        killSignal: "SIGKILL",
      },
    );
    await child.exited;
    await rm(temp, { recursive: true, force: true });
    const xml = await readFile(report, "utf8").catch(() => undefined);
    if (xml === undefined) return undefined;
    return parseJunit(xml).flatMap(({ name, status }) => (status === "failed" ? [name] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** @throws Error where the rule is not there, or not only there */
export function mutated(source: string, { name, file, from, to }: Mutation): string {
  const count = source.split(from).length - 1;
  if (count !== 1) throw new Error(`"${name}" is found ${count} times in ${file}, not once: ${from}`);
  return source.replace(from, () => to);
}

/** The source that a mutation changes. */
export function sourceOf({ file }: Mutation): Promise<string> {
  return readFile(resolve(root, sourceFolder, file), "utf8");
}

interface Result {
  readonly mutation: Mutation;
  readonly failed: readonly string[];
  readonly isCaught: boolean;
}

function formatTable(results: readonly Result[]): string {
  const lines = results.map(({ mutation, failed, isCaught }) => {
    if (!isCaught) return `| ${mutation.name} | **nothing** |`;
    const others = failed.filter((name) => name !== mutation.caughtBy);
    const more = others.length > othersMax ? [`and ${others.length - othersMax} more`] : [];
    const named = [mutation.caughtBy, ...others.slice(0, othersMax), ...more];
    return `| ${mutation.name} | ${named.map(escapeCell).join("; ")} |`;
  });
  return ["| without this rule: | these tests fail |", "| --- | --- |", ...lines].join("\n");
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(" > ", ": ");
}

async function main(parts: readonly string[]): Promise<boolean> {
  const chosen = mutations.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));
  for (const mutation of chosen) mutated(await sourceOf(mutation), mutation);
  await using copy = await Copy.make();
  const failedBefore = await copy.failures([...new Set(chosen.flatMap(({ tests }) => tests))]);
  if (failedBefore?.length !== 0) throw new Error(`tests fail as it is: ${failedBefore?.join("; ") ?? "no report"}`);

  const results: Result[] = [];
  for (const mutation of chosen) {
    const failed = (await copy.failuresWithout(mutation)) ?? ["(the tests did not come to their end)"];
    const isCaught = failed.includes(mutation.caughtBy);
    results.push({ mutation, failed, isCaught });
    console.log(`${isCaught ? "caught  " : "SURVIVED"} ${mutation.name}`);
    if (!isCaught) console.log(failed.map((name) => `           ${name}`).join("\n"));
  }
  console.log(`\n${formatTable(results)}`);
  return results.every(({ isCaught }) => isCaught);
}

if (import.meta.main) {
  try {
    process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
