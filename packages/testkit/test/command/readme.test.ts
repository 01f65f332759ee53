import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { catalogue } from "../../src/fixture/catalogue.ts";
import { createNamedFixture } from "../../src/fixture/named-fixture.ts";
import { skipUnless } from "../../src/skip.ts";
import { examplesIn, runExamples } from "./readme-examples.ts";

const packageFolder = join(import.meta.dirname, "../..");

test("every TypeScript example of the README runs as it is written", async () => {
  await using project = await tempFolder();
  mkdirSync(project.join("node_modules/@litestream"), { recursive: true });
  symlinkSync(packageFolder, project.join("node_modules/@litestream/testkit"));
  expect(examplesIn("ts").length).toBeGreaterThan(4);
  const { exitCode, said } = await runExamples(project.path);
  expect(said).toContain(" 0 fail");
  expect(exitCode).toBe(0);
});

/** One that has the JSON and SQLite that the example needs. */
function findPython(): string | undefined {
  const python = Bun.which("python3");
  if (python === null) return undefined;
  const { exitCode } = Bun.spawnSync([python, "-c", "import sqlite3"], { stdio: ["ignore", "ignore", "ignore"] });
  return exitCode === 0 ? python : undefined;
}

const testWithPython = skipUnless(findPython(), "python3 with sqlite3 is not installed");
testWithPython("the README's Python example agrees with the manifests", async (python) => {
  await using folder = await tempFolder();
  const [code = ""] = examplesIn("python");
  writeFileSync(folder.join("check.py"), code);
  for (const name of ["restarted", "checkpointed", "fts", "torn-frame", "page-65536"]) {
    const { commits } = await createNamedFixture(folder.join(name), name);
    const child = Bun.spawn([python, folder.join("check.py"), folder.join(name)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect({ out, err }).toEqual({ out: `${name} ${commits.length} commits ok\n`, err: "" });
  }
});

test("the README counts the fixtures of the catalogue", async () => {
  const text = await Bun.file(join(packageFolder, "README.md")).text();
  expect(text).toContain(`list                        # ${catalogue.length} fixtures, and what each is good for`);
});
