import { expect, test } from "bun:test";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { readManifest } from "../../src/fixture/manifest.ts";
import { runExamples } from "./readme-examples.ts";

const packageFolder = join(import.meta.dirname, "../..");
const root = join(packageFolder, "../..");
const timeoutMs = 120_000;

async function run(cwd: string, ...command: string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    // `bun` is found on the path by the command's first line.
    env: { ...process.env, PATH: `${join(cwd, "bin")}:${process.env["PATH"]}` },
  });
  const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`bun ${command.join(" ")} exited with ${exitCode}: ${out}${err}`);
  return out;
}

/** A copy of the package, so that its build disturbs nobody; returns the path of the tarball. */
async function buildAndPack(workspace: string): Promise<string> {
  const copy = join(workspace, "packages/testkit");
  for (const name of ["src", "README.md", "package.json", "tsconfig.build.json"]) {
    cpSync(join(packageFolder, name), join(copy, name), { recursive: true });
  }
  for (const name of ["tsconfig.base.json", "tsconfig.build.json"]) cpSync(join(root, name), join(workspace, name));
  symlinkSync(join(root, "node_modules"), join(workspace, "node_modules"));
  mkdirSync(join(copy, "bin"));
  symlinkSync(process.execPath, join(copy, "bin/bun"));
  await run(copy, "run", "build");
  await run(copy, "pm", "pack", "--quiet", "--filename", join(workspace, "testkit.tgz"));
  return join(workspace, "testkit.tgz");
}

test(
  "packed and installed into an empty project, the README's examples and the command run",
  async () => {
    await using workspace = await tempFolder();
    await using project = await tempFolder();
    const tarball = await buildAndPack(workspace.path);
    mkdirSync(project.join("bin"));
    symlinkSync(process.execPath, project.join("bin/bun"));
    const dependencies = { "@litestream/testkit": `file:${tarball}` };
    writeFileSync(project.join("package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
    await run(project.path, "install", "--prefer-offline");

    expect(await run(project.path, "x", "litestream-testkit", "list")).toContain("GOOD FOR");
    await run(project.path, "x", "litestream-testkit", "generate", "restarted", "fixture");
    expect(readManifest(project.join("fixture")).name).toBe("restarted");
    await run(project.path, "x", "litestream-testkit", "verify", "fixture");

    const { exitCode, said } = await runExamples(project.path);
    expect(said).toContain(" 0 fail");
    expect(exitCode).toBe(0);
  },
  timeoutMs,
);
