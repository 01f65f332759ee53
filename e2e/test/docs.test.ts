import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnWriter, tempFolder, verifyWorkload } from "@litestream/testkit";
import { commandLine, run } from "../src/command.ts";
import { loseDatabase } from "../src/database-files.ts";
import { Replicator } from "../src/replicator.ts";

const root = join(import.meta.dirname, "../..");

/** Commands of an indented block of a document, without their comments. */
function commandsIn(document: string, prefix: string): string[] {
  return readFileSync(join(root, document), "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`    ${prefix}`))
    .map((line) => line.slice(4 + prefix.length).replace(/\s+#.*$/, ""));
}

test("README's commands replicate a database, and restore it after its disk died", async () => {
  await using folder = await tempFolder();
  mkdirSync(folder.join("backups"));
  const dbPath = folder.join("app.db");
  const inFolder = (command: string): string[] =>
    command.split(" ").map((word) => word.replace(/^app\.db$/, dbPath).replace(/^\/backups/, folder.join("backups")));
  const [replicate, restore, ...others] = commandsIn("README.md", "npm start -- ").map(inFolder);
  if (replicate?.[0] !== "replicate" || restore?.[0] !== "restore") throw new Error("README does not show the way");
  expect(others).toEqual([]);

  await using writer = await spawnWriter({ path: dbPath, seed: 1, rate: 1000, transactions: 300 });
  await using replicator = new Replicator(replicate.slice(1), folder.join("trace.jsonl"));
  await replicator.waitForReplicated();
  await writer.waitUntilDone();
  expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  await loseDatabase(dbPath);
  expect(await run([...commandLine, ...restore])).toMatchObject({ exitCode: 0 });
  expect(verifyWorkload(dbPath)).toBe(300);
});

test("the library's example replicates and restores as it is written", async () => {
  await using folder = await tempFolder();
  mkdirSync(folder.join("backups"));
  const dbPath = folder.join("app.db");
  {
    await using writer = await spawnWriter({ path: dbPath, seed: 1, transactions: 20 });
    await writer.waitUntilDone();
  }
  const [, example = ""] = /```ts\n([^`]*)```/.exec(readFileSync(join(root, "packages/core/README.md"), "utf8")) ?? [];
  const program = example
    .replaceAll('"app.db"', JSON.stringify(dbPath))
    .replaceAll('"/backups/app"', JSON.stringify(folder.join("backups/app")))
    .replaceAll('"restored.db"', JSON.stringify(folder.join("restored.db")));
  // The package is found from where the file lies.
  const script = join(import.meta.dirname, `example-${process.pid}.tmp.ts`);
  writeFileSync(script, program);
  try {
    expect(await run([process.execPath, script])).toMatchObject({ exitCode: 0 });
  } finally {
    rmSync(script);
  }
  expect(verifyWorkload(folder.join("restored.db"))).toBe(20);
});

test("every relative link in the documents leads to a file", () => {
  const documents = [
    "README.md",
    "e2e/README.md",
    ...new Bun.Glob("{docs,packages/*}/**/*.md").scanSync({ cwd: root }),
  ];
  const broken = documents
    .filter((document) => !document.includes("node_modules"))
    .flatMap((document) =>
      [...readFileSync(join(root, document), "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .filter(([, link]) => !existsSync(join(root, document, "..", link ?? "")))
        .map(([, link]) => `${document}: ${link}`),
    );
  expect(broken).toEqual([]);
});
