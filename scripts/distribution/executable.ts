/**
 * `npm run executable`: the command as one file that runs where there is no Bun, dist/litestream or the path that is
 * given. The LZ4 library and the threads' programs are inside. For this machine's kind, or that of `--target`, such as
 * bun-linux-arm64.
 */
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { commandEntries, entryNaming, root } from "./command-entries.ts";
import { runQuietly } from "./run-quietly.ts";

/** @param entries the program, then what it starts as threads or processes of its own */
export async function buildExecutable(
  outfile: string,
  entries: readonly string[] = commandEntries,
  target?: string,
): Promise<void> {
  await mkdir(dirname(outfile), { recursive: true });
  // Source maps are inside; those that Bun also writes beside it go with the folder.
  const work = await mkdtemp(join(dirname(outfile), ".executable-"));
  const options = ["--compile", "--format=esm", "--bytecode", "--minify", "--sourcemap", "--entry-naming", entryNaming];
  // What lies in the folder where an operator happens to stand shall change nothing.
  options.push("--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig");
  if (target !== undefined) options.push(`--target=${target}`);
  try {
    const built = join(work, basename(outfile));
    await runQuietly([process.execPath, "build", ...options, ...entries, "--outfile", built], root);
    await rename(built, outfile);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    options: { target: { type: "string" } },
    allowPositionals: true,
  });
  const outfile = resolve(positionals[0] ?? join(root, "dist/litestream"));
  await buildExecutable(outfile, commandEntries, values.target);
  console.log(`${outfile} (${(Bun.file(outfile).size / 1e6).toFixed(0)} MB)`);
}
