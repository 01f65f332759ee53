import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnWriter, tempFolder, verifyWorkload } from "@litestream/testkit";
import { run } from "../../src/command.ts";
import { readPage } from "../../src/docs/markdown.ts";

test("the library's example replicates and restores as it is written", async () => {
  await using folder = await tempFolder();
  mkdirSync(folder.join("backups"));
  const dbPath = folder.join("app.db");
  {
    await using writer = await spawnWriter({ path: dbPath, seed: 1, transactions: 20 });
    await writer.waitUntilDone();
  }
  const [, example = ""] = /```ts\n([^`]*)```/.exec(readPage("packages/core/README.md")) ?? [];
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
