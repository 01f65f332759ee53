import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { bunOnPath } from "../../distribution/bun-on-path.ts";
import { root } from "../../distribution/command-entries.ts";
import { readManifest } from "../../distribution/command-manifest.ts";
import { pack } from "../../distribution/pack.ts";
import { runQuietly } from "../../distribution/run-quietly.ts";

const names = ["@litestream/core", "@litestream/metrics", "@litestream/testkit", "litestream"] as const;
const licence = await readFile(join(root, "LICENSE"), "utf8");
const bun = process.execPath;
let folder = "";
let tarballs: ReadonlyMap<string, string> = new Map();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "litestream-packages-"));
  tarballs = await pack(join(folder, "tarballs"));
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

function tarballOf(name: string): string {
  const path = tarballs.get(name);
  if (path === undefined) throw new Error(`${name} was not packed`);
  return path;
}

/** A tarball's content, without the folder `package` that everything is in. */
async function unpack(name: string): Promise<Map<string, string>> {
  const files = await new Bun.Archive(await readFile(tarballOf(name))).files();
  const entries = [...files].map(async ([path, file]) => [path.replace(/^package\//, ""), await file.text()] as const);
  return new Map(await Promise.all(entries));
}

/** An empty project in which the tarballs of these packages are installed, by one command. */
async function projectWith(...packages: string[]): Promise<string> {
  const project = await mkdtemp(join(folder, "project-"));
  await writeFile(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
  await runQuietly([bun, "add", ...packages.map(tarballOf)], project);
  return project;
}

describe.each(names)("the tarball of %s", (name) => {
  test("has a licence, a README and what it needs, and nothing else", async () => {
    const files = await unpack(name);
    expect(files.get("LICENSE")).toBe(licence);
    expect(files.get("README.md")).toContain(name);
    const manifest = files.get("package.json") ?? "";
    for (const key of ["name", "version", "description", "license", "engines"])
      expect(JSON.parse(manifest)).toHaveProperty(key);
    expect(manifest).not.toContain("workspace:");
    const others = [...files.keys()].filter(
      (path) => !/^(?:dist|src|completions|man)\/|^(?:LICENSE|README\.md|CHANGELOG\.md|package\.json)$/.test(path),
    );
    expect(others).toEqual([]);
    expect([...files.keys()].filter((path) => /\.test\.|\.log$|tsbuildinfo/.test(path))).toEqual([]);
  });

  test("has no problem that publint knows", async () => {
    const tarball = (await Bun.file(tarballOf(name)).bytes()).buffer;
    const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("has types that every resolution of modules finds, but for CommonJS, which it has none of", async () => {
    const result = await checkPackage(createPackageFromTarballData(await Bun.file(tarballOf(name)).bytes()));
    if (name === "litestream") {
      expect(result.types).toBe(false);
      return;
    }
    if (result.types === false) throw new Error("it has no types");
    const known = new Set(["node10", "node16-cjs"]);
    const problems = result.problems.filter(
      (problem) => !("resolutionKind" in problem && known.has(problem.resolutionKind)),
    );
    expect(problems).toEqual([]);
  });
});

test("the command's tarball is enough, and runs by bunx in an empty project", async () => {
  const project = await projectWith("litestream");
  const env = { ...process.env, PATH: await bunOnPath(project) };
  const { version } = await readManifest(join(root, "packages/cli"));
  expect(await runQuietly([bun, "x", "litestream", "version"], project, env)).toBe(`${version}\n`);
  expect(await readdir(join(project, "node_modules"))).not.toContain("@litestream");
});

test("the command's bundle holds our own sources only: libraries stay dependencies of their own", async () => {
  const files = await unpack("litestream");
  const maps = [...files].filter(([path]) => path.endsWith(".js.map"));
  expect(maps.length).toBeGreaterThan(1);
  const sources = maps.flatMap(([, text]) => (JSON.parse(text) as { sources: string[] }).sources);
  expect(sources.some((source) => source.endsWith("core/src/restore/restore.ts"))).toBe(true);
  expect(sources.filter((source) => source.includes("node_modules"))).toEqual([]);
});

test("core, metrics and testkit are installed together by one command, and their types hold in an app", async () => {
  const project = await projectWith("@litestream/core", "@litestream/metrics", "@litestream/testkit");
  await writeFile(
    join(project, "app.ts"),
    [
      'import { Litestream, type LitestreamEvent, openReplica } from "@litestream/core";',
      'import * as metrics from "@litestream/metrics";',
      'import { tempFolder } from "@litestream/testkit";',
      "export const types = (event: LitestreamEvent): string => event.type;",
      "// @ts-expect-error a path is text",
      "export const wrong = (): Litestream => new Litestream({ path: 1, replicas: [] });",
      "console.log(typeof Litestream, typeof openReplica, Object.keys(metrics).length > 0, typeof tempFolder);",
    ].join("\n"),
  );
  expect(await runQuietly([bun, "app.ts"], project)).toBe("function function true function\n");
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  for (const resolution of [
    ["--module", "nodenext", "--moduleResolution", "nodenext"],
    ["--module", "preserve", "--moduleResolution", "bundler"],
  ]) {
    const types = ["--types", "bun", "--typeRoots", join(root, "node_modules/@types")];
    const options = ["--noEmit", "--strict", "--target", "esnext", "--lib", "esnext", ...types, ...resolution];
    expect(await runQuietly([bun, tsc, ...options, "app.ts"], project)).toBe("");
  }
}, 120_000);
