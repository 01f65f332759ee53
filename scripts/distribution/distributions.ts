/** Every way in which the command reaches a machine, made ready to be run from a folder of its own. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bunOnPath } from "./bun-on-path.ts";
import { root } from "./command-entries.ts";
import { buildContainerTree } from "./container-tree.ts";
import { buildExecutable } from "./executable.ts";
import { pack } from "./pack.ts";
import { runQuietly } from "./run-quietly.ts";

export type DistributionName = "tarball" | "executable" | "container";
export const distributionNames: readonly DistributionName[] = ["tarball", "executable", "container"];

export interface Distribution {
  /** The words that start it; arguments follow. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * @param folder where it is put, and where the data of its commands is; nothing else of this machine is seen by the
 *   container's
 */
export async function prepareDistribution(name: DistributionName, folder: string): Promise<Distribution> {
  switch (name) {
    case "tarball":
      return await prepareTarball(folder);
    case "executable":
      return await prepareExecutable(folder);
    case "container":
      return await prepareContainer(folder);
  }
}

/** Why a distribution cannot be run on this machine. */
export function obstacleTo(name: DistributionName): string | undefined {
  if (name !== "container") return undefined;
  if (process.platform !== "linux") return "a container's file tree is for Linux";
  if (Bun.which("unshare") === null || Bun.which("ldd") === null) return "unshare and ldd are not both installed";
  const probe = Bun.spawnSync(["unshare", "--mount", "unshare", "--user", "--map-user=65532", "true"]);
  return probe.exitCode === 0 ? undefined : "mounts and user namespaces are not allowed here";
}

/** `bun add` of the command's tarball alone, in an empty project. */
async function prepareTarball(folder: string): Promise<Distribution> {
  const tarball = (await pack(join(folder, "tarballs"))).get("litestream");
  if (tarball === undefined) throw new Error("the command was not packed");
  const project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), "{}\n");
  await runQuietly([process.execPath, "add", tarball], project);
  return { command: [join(project, "node_modules/.bin/litestream")], env: { PATH: await bunOnPath(folder) } };
}

async function prepareExecutable(folder: string): Promise<Distribution> {
  const executable = join(folder, "elsewhere/litestream");
  await buildExecutable(executable);
  return { command: [executable], env: {} };
}

async function prepareContainer(folder: string): Promise<Distribution> {
  const tree = join(folder, "tree");
  await buildContainerTree(tree);
  const data = await mkdtemp(join(folder, "data-"));
  return {
    command: ["sh", join(root, "scripts/distribution/in-tree.sh"), tree, data],
    env: { TMPDIR: data },
  };
}
