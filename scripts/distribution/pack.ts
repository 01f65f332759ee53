/**
 * `npm run pack`: the four packages as tarballs, in dist/ or the folder that is given.
 *
 * The command's is put together from its bundle: see build-command.ts. All others are packed where they are.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { commandFolder, root } from "./command-entries.ts";
import { commandManifest, publishedFolders, readManifest } from "./command-manifest.ts";
import { runQuietly } from "./run-quietly.ts";

/** @returns the tarballs' paths by the packages' names */
export async function pack(destination: string): Promise<ReadonlyMap<string, string>> {
  await mkdir(destination, { recursive: true });
  await runQuietly([process.execPath, "--bun", "run", "turbo", "build", "--output-logs=errors-only"], root);
  const tarballs = new Map<string, string>();
  for (const folder of publishedFolders) {
    const { name, version } = await readManifest(folder);
    const path = join(destination, `${name.replace(/^@/, "").replace("/", "-")}-${version}.tgz`);
    if (folder === commandFolder) await packCommand(path);
    else await packFolder(folder, path);
    tarballs.set(name, path);
  }
  return tarballs;
}

async function packCommand(path: string): Promise<void> {
  const stage = await mkdtemp(join(tmpdir(), "litestream-pack-"));
  try {
    const manifest = await commandManifest();
    for (const name of ["LICENSE", "README.md", "dist"]) {
      await cp(join(commandFolder, name), join(stage, name), { recursive: true });
    }
    for (const name of ["completions", "man"]) {
      await cp(join(root, "contrib", name), join(stage, name), { recursive: true });
    }
    await writeFile(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    await packFolder(stage, path);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

async function packFolder(folder: string, path: string): Promise<void> {
  await runQuietly([process.execPath, "pm", "pack", "--quiet", "--ignore-scripts", "--filename", path], folder);
}

if (import.meta.main) {
  for (const path of (await pack(resolve(process.argv[2] ?? join(root, "dist")))).values()) {
    console.log(`${path} (${((await readFile(path)).byteLength / 1000).toFixed(0)} kB)`);
  }
}
