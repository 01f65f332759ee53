import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildArchive } from "../../distribution/archive.ts";
import { commandEntries, commandFolder, root } from "../../distribution/command-entries.ts";
import { readManifest } from "../../distribution/command-manifest.ts";
import { buildExecutable } from "../../distribution/executable.ts";
import { runQuietly } from "../../distribution/run-quietly.ts";
import { readProject, relativeReferencesOf, resolveReference } from "../../house-rules/project.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "litestream-executable-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The LZ4 library is unpacked into the temporary folder, and stays there. */
function environment(): Record<string, string | undefined> {
  return { ...process.env, TMPDIR: folder };
}

/** Where it is bundled, the engine's child process is the whole program, started again (core/src/host). */
const neededUnbundled = join(root, "packages/core/src/host/child-main.ts");

test("every file that the command starts as a program of its own is bundled with it", () => {
  const started = readProject(root)
    .filter(({ path }) => /^packages\/(?:core|cli|metrics)\/src\//.test(path))
    .flatMap((file) =>
      relativeReferencesOf(file)
        .filter(({ specifier, line }) => file.text.split("\n")[line - 1]?.includes(specifier.replace(/\.ts$/, "${")))
        .map(({ specifier }) => join(root, resolveReference(file, specifier))),
    );
  expect(started.length).toBeGreaterThan(0);
  expect(started.filter((path) => !commandEntries.includes(path))).toEqual([neededUnbundled]);
});

test("a decoding thread starts inside an executable", async () => {
  const probe = join(import.meta.dirname, "thread-probe.ts");
  const executable = join(folder, "probe");
  await buildExecutable(executable, [probe, ...commandEntries.slice(1)]);
  expect(JSON.parse(await runQuietly([executable], "/", environment()))).toEqual({ type: "ready" });
});

test("an executable takes no notice of the folder it is started in, and leaves nothing beside itself", async () => {
  const executable = join(folder, "bin/litestream");
  await buildExecutable(executable);
  expect(await readdir(join(folder, "bin"))).toEqual(["litestream"]);
  const hostile = join(folder, "hostile");
  await mkdir(hostile);
  await writeFile(join(hostile, ".env"), "LITESTREAM_CONFIG=from-dotenv.yml\n");
  await writeFile(join(hostile, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  await writeFile(join(hostile, "preload.ts"), 'console.log("preloaded");\n');
  const { LITESTREAM_CONFIG: _config, ...env } = environment();
  const child = Bun.spawn([executable, "replicate"], { cwd: hostile, env, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(out).toBe("");
  expect(err).not.toContain("from-dotenv");
  expect(err).toContain("/etc/litestream.yml");
});

test("the archive has the executable and what is installed beside it, and runs where it was unpacked", async () => {
  const archive = await buildArchive(join(folder, "archive"));
  const unpacked = join(folder, "unpacked");
  await mkdir(unpacked);
  await runQuietly(["tar", "-xzf", archive, "-C", unpacked], root);
  const [name = ""] = await readdir(unpacked);
  expect((await readdir(join(unpacked, name), { recursive: true })).toSorted()).toEqual([
    "LICENSE",
    "README.md",
    "completions",
    "completions/_litestream",
    "completions/litestream.bash",
    "completions/litestream.fish",
    "litestream",
    "man",
    "man/litestream.1",
    "systemd",
    "systemd/litestream.service",
  ]);
  const { version } = await readManifest(commandFolder);
  expect(await runQuietly([join(unpacked, name, "litestream"), "version"], "/", environment())).toBe(`${version}\n`);
});
