import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** Releases of Litestream that tests and benchmarks run beside ours. */
export type LitestreamVersion = "v0.3.4" | "v0.3.13" | "v0.5.16";

const versions: readonly LitestreamVersion[] = ["v0.3.4", "v0.3.13", "v0.5.16"];
const toolsFolder = join(import.meta.dirname, "../../../.tools");
const attempts = new Map<LitestreamVersion, Promise<string | undefined>>();

/**
 * The path of Litestream's own binary, built by `go install` on first use (1-2 minutes) and kept in `.tools`.
 * Undefined, with a line on standard error that says why, where it is not there and cannot be built.
 */
export async function litestreamBinary(version: LitestreamVersion): Promise<string | undefined> {
  let attempt = attempts.get(version);
  if (attempt === undefined) {
    attempt = install(version);
    attempts.set(version, attempt);
  }
  return await attempt;
}

async function install(version: LitestreamVersion): Promise<string | undefined> {
  const folder = join(toolsFolder, `litestream-${version}`);
  const binary = join(folder, "litestream");
  if (await isFile(binary)) return binary;
  const go = Bun.which("go");
  if (go === null) return undefined;

  process.stderr.write(`Installing Litestream ${version} into .tools with Go (once, 1-2 minutes) ...\n`);
  await mkdir(toolsFolder, { recursive: true });
  const work = await mkdtemp(`${folder}.`);
  try {
    const failure = await goInstall(go, version, work);
    if (failure !== undefined) {
      process.stderr.write(`Litestream ${version} could not be installed:\n${failure}\n`);
      return undefined;
    }
    // Of several that build at the same time, the first rename wins and the others use what it left.
    await rename(work, folder).catch(async (error: unknown) => {
      if (!(await isFile(binary))) throw error;
    });
    return binary;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What Go said, if it failed. */
async function goInstall(go: string, version: LitestreamVersion, binFolder: string): Promise<string | undefined> {
  const child = spawn(go, ["install", `github.com/benbjohnson/litestream/cmd/litestream@${version}`], {
    cwd: binFolder,
    stdio: ["ignore", "ignore", "pipe"],
    // Without cgo, which Go turns off by itself where there is no C compiler, the binary builds but cannot open SQLite.
    env: { ...process.env, GOBIN: binFolder, CGO_ENABLED: "1" },
  });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [said, code] = await Promise.all([text(child.stderr), exit]);
  return code === 0 ? undefined : said.trim() || `go install ended with exit code ${code}`;
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

// As a command, it installs the versions it is given, so that no test has to wait for Go.
if (import.meta.main) {
  for (const argument of process.argv.slice(2)) {
    const version = versions.find((known) => known === argument);
    if (version === undefined || (await litestreamBinary(version)) === undefined) {
      process.stderr.write(`no Litestream ${argument} for the tests\n`);
      process.exitCode = 1;
    }
  }
}
