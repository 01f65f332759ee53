import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** A program that `go install` builds, and what it is called. */
export interface GoTool {
  /** For people. */
  readonly name: string;
  /** With the version, as `go install` takes it. */
  readonly module: string;
  readonly binary: string;
  /** The folder in `.tools`, with the version in it. */
  readonly folder: string;
}

const toolsFolder = join(import.meta.dirname, "../../../.tools");
const attempts = new Map<string, Promise<string | undefined>>();

/**
 * The path of a program, built by Go on first use and kept in `.tools`. Undefined, with a line on standard error that
 * says why, where it is not there and cannot be built.
 */
export async function goTool(tool: GoTool): Promise<string | undefined> {
  let attempt = attempts.get(tool.folder);
  if (attempt === undefined) {
    attempt = install(tool);
    attempts.set(tool.folder, attempt);
  }
  return await attempt;
}

async function install(tool: GoTool): Promise<string | undefined> {
  const folder = join(toolsFolder, tool.folder);
  const binary = join(folder, tool.binary);
  if (await isFile(binary)) return binary;
  const go = Bun.which("go");
  if (go === null) return undefined;

  process.stderr.write(`Installing ${tool.name} into .tools with Go (once, 1-3 minutes) ...\n`);
  await mkdir(toolsFolder, { recursive: true });
  const work = await mkdtemp(`${folder}.`);
  try {
    const failure = await goInstall(go, tool.module, work);
    if (failure !== undefined) {
      process.stderr.write(`${tool.name} could not be installed:\n${failure}\n`);
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
async function goInstall(go: string, module: string, binFolder: string): Promise<string | undefined> {
  const child = spawn(go, ["install", module], {
    cwd: binFolder,
    stdio: ["ignore", "ignore", "pipe"],
    // Without cgo, which Go turns off by itself where there is no C compiler, Litestream builds but cannot open SQLite.
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
