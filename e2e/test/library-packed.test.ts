/** The library as its users get it: from a tarball, in an empty project, by its sources, its build, and compiled. */
import { expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnWriter, tempFolder, type TempFolder, verifyWorkload } from "@litestream/testkit";
import { readPage, root } from "../src/docs/markdown.ts";

const timeoutMs = 180_000;

async function run(cwd: string, ...command: string[]): Promise<void> {
  const child = Bun.spawn(command, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    // `bun` is found by the package's own scripts.
    env: { ...process.env, PATH: `${join(cwd, "bin")}:${process.env["PATH"]}` },
  });
  const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}: ${out}${err}`);
}

/** Builds and packs a copy of the package, so that nobody is disturbed. @returns the tarball */
async function packCore(workspace: TempFolder): Promise<string> {
  const copy = workspace.join("packages/core");
  const own = join(root, "packages/core");
  cpSync(own, copy, { recursive: true, filter: (path) => !/\/(?:node_modules|dist|test)(?:\/|$)/.test(path) });
  for (const name of ["tsconfig.base.json", "tsconfig.build.json"]) cpSync(join(root, name), workspace.join(name));
  symlinkSync(join(root, "node_modules"), workspace.join("node_modules"));
  mkdirSync(join(copy, "bin"));
  symlinkSync(process.execPath, join(copy, "bin/bun"));
  await run(copy, process.execPath, "run", "build");
  rmSync(join(copy, "bin"), { recursive: true });
  // The testkit, which is not here, is for its tests alone.
  const { devDependencies: _, ...manifest } = JSON.parse(readFileSync(join(copy, "package.json"), "utf8")) as {
    devDependencies?: unknown;
  };
  writeFileSync(join(copy, "package.json"), JSON.stringify(manifest));
  const tarball = workspace.join("core.tgz");
  await run(copy, process.execPath, "pm", "pack", "--quiet", "--filename", tarball);
  return tarball;
}

test(
  "the README's example of the library, in an empty project with the packed tarball, replicates and restores",
  async () => {
    await using workspace = await tempFolder();
    await using project = await tempFolder();
    const dependencies = { "@litestream/core": `file:${await packCore(workspace)}` };
    writeFileSync(project.join("package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
    await run(project.path, process.execPath, "install", "--prefer-offline");

    const [, example = ""] = /```ts\n([^`]*)```/.exec(readPage("packages/core/README.md")) ?? [];
    const text = example.replaceAll('"/backups/app"', '"backups/app"');
    writeFileSync(project.join("app.ts"), text);
    writeFileSync(
      project.join("built.ts"),
      text.replace("@litestream/core", "./node_modules/@litestream/core/dist/index.js"),
    );
    await run(project.path, process.execPath, "build", "app.ts", "--compile", "--outfile=app");

    const ways = [[process.execPath, "app.ts"], [process.execPath, "built.ts"], ["./app"]];
    for (const command of ways) {
      for (const name of ["app.db", "app.db-wal", "app.db-shm", ".app.db-litestream", "restored.db", "backups"]) {
        rmSync(project.join(name), { recursive: true, force: true });
      }
      mkdirSync(project.join("backups"));
      {
        await using writer = await spawnWriter({ path: project.join("app.db"), seed: 1, transactions: 20 });
        await writer.waitUntilDone();
      }
      await run(project.path, ...command);
      expect(verifyWorkload(project.join("restored.db"))).toBe(20);
    }
  },
  timeoutMs,
);
