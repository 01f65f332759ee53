/**
 * `npm run archive`: what a machine without Bun needs, in one file, dist/litestream-VERSION-PLATFORM-CPU.tar.gz: the
 * executable, the licence, the shells' completions, the manual page and systemd's unit.
 */
import { chmod, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { commandFolder, root } from "./command-entries.ts";
import { readManifest } from "./command-manifest.ts";
import { buildExecutable } from "./executable.ts";
import { runQuietly } from "./run-quietly.ts";

/** @returns the archive's path */
export async function buildArchive(destination: string): Promise<string> {
  await mkdir(destination, { recursive: true });
  const { version } = await readManifest(commandFolder);
  const name = `litestream-${version}-${process.platform}-${process.arch}`;
  const work = await mkdtemp(join(destination, ".archive-"));
  try {
    const folder = join(work, name);
    await buildExecutable(join(folder, "litestream"));
    await chmod(join(folder, "litestream"), 0o755);
    await cp(join(root, "LICENSE"), join(folder, "LICENSE"));
    await cp(join(commandFolder, "README.md"), join(folder, "README.md"));
    for (const part of ["completions", "man", "systemd"]) {
      await cp(join(root, "contrib", part), join(folder, part), { recursive: true });
    }
    const archive = join(destination, `${name}.tar.gz`);
    const owner = ["--owner=0", "--group=0", "--numeric-owner"];
    // Twice as fast as gzip's default, for 2% more.
    await runQuietly(["tar", "-I", "gzip -4", "-cf", archive, ...owner, "-C", work, name], root);
    return archive;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const archive = await buildArchive(resolve(process.argv[2] ?? join(root, "dist")));
  console.log(`${archive} (${(Bun.file(archive).size / 1e6).toFixed(0)} MB)`);
}
