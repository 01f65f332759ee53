/** The Dockerfiles, without an engine: what they run is run, in the file tree they make. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "@litestream/testkit/skip";
import { root } from "../../distribution/command-entries.ts";
import { buildContainerTree, containerUserId } from "../../distribution/container-tree.ts";
import { obstacleTo } from "../../distribution/distributions.ts";

/** The arguments of each instruction of the last stage, by its name. */
function instructionsOf(dockerfile: string): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name = "", rest = ""] of dockerfile.matchAll(/^([A-Z]+) (.*)$/gm)) {
    if (name === "FROM") found.clear();
    found.set(name, [...(found.get(name) ?? []), rest]);
  }
  return found;
}

function wordsOf(instructions: ReadonlyMap<string, string[]>, name: string): string[] {
  const words: unknown = JSON.parse(/\[.*\]$/.exec(instructions.get(name)?.[0] ?? "")?.[0] ?? "[]");
  return Array.isArray(words) ? words.map(String) : [];
}

const dockerfile = await readFile(join(root, "contrib/docker/Dockerfile"), "utf8");
const image = instructionsOf(dockerfile);
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "litestream-docker-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the image is built with the Bun that this project is pinned to, from files that are there", async () => {
  const manifest = (await Bun.file(join(root, "package.json")).json()) as { packageManager: string };
  const version = manifest.packageManager.replace("bun@", "");
  const example = await readFile(join(root, "examples/docker/Dockerfile"), "utf8");
  for (const text of [dockerfile, example]) expect(text).toContain(`FROM oven/bun:${version}-debian`);
  for (const [, script = ""] of dockerfile.matchAll(/^RUN bun (scripts\S+)/gm)) {
    expect(await Bun.file(join(root, script)).exists()).toBe(true);
  }
  for (const [, file = ""] of example.matchAll(/^COPY (?!--from)(\S+) /gm)) {
    expect(await Bun.file(join(root, "examples/docker", file)).exists()).toBe(true);
  }
  expect(image.get("USER")).toEqual([`${containerUserId}:${containerUserId}`]);
});

const obstacle = obstacleTo("container");
const testWithTree = skipUnless(obstacle === undefined ? true : undefined, obstacle ?? "");

testWithTree(
  "the image replicates as its user with a tree that cannot be written to, and its health check says so",
  async () => {
    const [tree, data] = [join(folder, "tree"), join(folder, "data")];
    await buildContainerTree(tree);
    await mkdir(join(data, "backups"), { recursive: true });
    const databasePath = join(data, "app.db");
    using db = new Database(databasePath);
    db.run("PRAGMA journal_mode = WAL");
    db.run("CREATE TABLE t (x)");
    // The image's own socket is in /tmp, which each run has of its own here.
    const socket = join(data, "litestream.sock");
    const configPath = join(data, "litestream.yml");
    await writeFile(
      configPath,
      JSON.stringify({ dbs: [{ path: databasePath, replica: { path: join(data, "backups/app") } }] }),
    );
    const inTree = (words: readonly string[]): string[] => [
      "sh",
      join(root, "scripts/distribution/in-tree.sh"),
      tree,
      data,
      ...words.map((word) => (word === "/tmp/litestream.sock" ? socket : word)),
    ];
    const [program, ...health] = wordsOf(image, "HEALTHCHECK");
    expect(wordsOf(image, "ENTRYPOINT")).toEqual([program ?? ""]);
    const healthy = (): Promise<number> => Bun.spawn(inTree(health), { stdio: ["ignore", "ignore", "ignore"] }).exited;
    expect(await healthy()).toBe(1);

    const running = Bun.spawn(inTree([...wordsOf(image, "CMD"), "-config", configPath]), {
      env: { ...process.env, TMPDIR: "/tmp" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      let said = "";
      for await (const text of running.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        if (said.includes("is up to date at")) break;
      }
      expect(said).toContain("is up to date at");
      expect(await healthy()).toBe(0);
    } finally {
      running.kill("SIGTERM");
      expect(await running.exited).toBe(0);
    }
    expect(await healthy()).toBe(1);
  },
  120_000,
);
