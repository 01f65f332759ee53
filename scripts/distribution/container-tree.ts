/**
 * `npm run container-tree`: the file tree of the container image, in dist/container or the folder that is given, which
 * must not be there yet. contrib/docker/Dockerfile copies it into an image that has nothing else, and a test runs the
 * command in it; neither needs a container engine here.
 *
 *     usr/local/bin/litestream     the executable
 *     lib…/                        the C library's files that it and the LZ4 library in it name, and their loader
 *     etc/passwd, etc/group        the user that it runs as
 *     etc/nsswitch.conf            names of hosts come from the engine's /etc/hosts, then from DNS
 *     etc/ssl/certs/               certificate authorities of the machine that builds
 *     tmp/                         where the LZ4 library is unpacked
 *     usr/share/doc/               licences
 */
import { chmod, cp, mkdir, realpath, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { root } from "./command-entries.ts";
import { buildExecutable } from "./executable.ts";
import { runQuietly } from "./run-quietly.ts";

/** Nobody's on a usual system, and the one that images without a shell run as by custom. */
export const containerUserId = 65532;

const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** @throws Error where there is no `ldd`, or the folder is there already */
export async function buildContainerTree(tree: string): Promise<void> {
  await mkdir(dirname(tree), { recursive: true });
  await mkdir(tree);
  const executable = join(tree, "usr/local/bin/litestream");
  await buildExecutable(executable);
  await chmod(executable, 0o755);
  for (const library of await librariesOf([executable, await lz4Library()])) {
    // The path that programs name, with what it leads to: there are no links in the tree.
    await copyTo(tree, library, await realpath(library));
  }
  if (await Bun.file(certificates).exists()) await copyTo(tree, certificates, certificates);
  await copyTo(tree, "/usr/share/doc/litestream/LICENSE", join(root, "LICENSE"));
  for (const name of ["libc6", "libgcc-s1"]) {
    const copyright = `/usr/share/doc/${name}/copyright`;
    if (await Bun.file(copyright).exists()) await copyTo(tree, copyright, await realpath(copyright));
  }
  await mkdir(join(tree, "etc"), { recursive: true });
  const account = `litestream:x:${containerUserId}:${containerUserId}:litestream:/tmp:/sbin/nologin`;
  await writeFile(join(tree, "etc/passwd"), `root:x:0:0:root:/:/sbin/nologin\n${account}\n`);
  await writeFile(join(tree, "etc/group"), `root:x:0:\nlitestream:x:${containerUserId}:\n`);
  await writeFile(join(tree, "etc/nsswitch.conf"), "hosts: files dns\n");
  for (const name of ["tmp", "proc", "dev", "sys"]) await mkdir(join(tree, name));
  await chmod(join(tree, "tmp"), 0o1777);
}

async function lz4Library(): Promise<string> {
  const resolveFrom = createRequire(join(root, "packages/core/package.json"));
  const main = resolveFrom.resolve("lz4-napi");
  return createRequire(main).resolve(`@antoniomuso/lz4-napi-linux-${process.arch}-gnu`);
}

/** Paths of every shared library that the programs need, their loader among them. */
async function librariesOf(programs: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const program of programs) {
    const listing = await runQuietly(["ldd", program], root);
    for (const line of listing.split("\n")) {
      const [path] = /(?<=^\s|=> )\/\S+/.exec(line) ?? [];
      if (path !== undefined) found.add(path);
      else if (line.includes("not found")) throw new Error(`a library of ${program} is not installed: ${line.trim()}`);
    }
  }
  return found;
}

async function copyTo(tree: string, path: string, from: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await cp(from, join(tree, path));
}

if (import.meta.main) {
  const tree = resolve(process.argv[2] ?? join(root, "dist/container"));
  await buildContainerTree(tree);
  console.log(tree);
}
