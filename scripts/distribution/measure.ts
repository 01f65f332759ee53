/**
 * Sizes and start-up times of what is distributed, for docs/install.md. Needs dist/ of
 * `pack`, `archive` and `container-tree`.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandFolder, root } from "./command-entries.ts";
import { readManifest } from "./command-manifest.ts";
import { runQuietly } from "./run-quietly.ts";

const rounds = 20;

async function msOf(command: readonly string[]): Promise<number> {
  const begunMs = performance.now();
  await Bun.spawn([...command], { stdio: ["ignore", "ignore", "ignore"] }).exited;
  return performance.now() - begunMs;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

const { version } = await readManifest(commandFolder);
const dist = (name: string): string => join(root, "dist", name);
const archive = dist(`litestream-${version}-${process.platform}-${process.arch}.tar.gz`);
const folder = await mkdtemp(join(tmpdir(), "litestream-measure-"));
try {
  await writeFile(join(folder, "package.json"), "{}\n");
  await runQuietly([process.execPath, "add", dist(`litestream-${version}.tgz`)], folder);
  await runQuietly(["tar", "-xzf", archive, "-C", folder, "--strip-components=1"], folder);
  const ways = new Map([
    ["executable", [join(folder, "litestream")]],
    ["tarball", [process.execPath, join(folder, "node_modules/litestream/dist/main.js")]],
  ]);
  const mb = (path: string): string => `${(Bun.file(path).size / 1e6).toFixed(0)} MB`;
  console.log(`executable: ${mb(join(folder, "litestream"))}, archive: ${mb(archive)}`);
  const tree = await runQuietly(["du", "--summarize", "--bytes", dist("container")], root);
  console.log(`container's file tree: ${(Number.parseInt(tree, 10) / 1e6).toFixed(0)} MB`);
  for (const args of [["version"], ["restore", "-o", join(folder, "out.db"), join(folder, "nothing")]]) {
    const times = new Map([...ways.keys()].map((name) => [name, [] as number[]]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, command] of ways) times.get(name)?.push(await msOf([...command, ...args]));
    }
    for (const [name, all] of times) console.log(`${args[0]}, ${name}: ${median(all).toFixed(0)} ms`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
