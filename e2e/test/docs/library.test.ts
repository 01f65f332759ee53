import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnWriter, tempFolder, type TempFolder, verifyWorkload } from "@litestream/testkit";
import { commandLine, run } from "../../src/command.ts";
import { codeBlocksIn, readPage } from "../../src/docs/markdown.ts";

const timeoutMs = 60_000;

/** An example in a file, from which packages are found; its paths lie in `folder`. */
function writeExample(folder: TempFolder, example: string): Disposable & { readonly path: string } {
  mkdirSync(folder.join("backups"), { recursive: true });
  const program = example
    .replaceAll('"app.db"', JSON.stringify(folder.join("app.db")))
    .replaceAll('"/backups/app"', JSON.stringify(folder.join("backups/app")))
    .replaceAll('"restored.db"', JSON.stringify(folder.join("restored.db")))
    .replaceAll("port: 3000", "port: 0");
  const path = join(import.meta.dirname, `example-${crypto.randomUUID()}.tmp.ts`);
  writeFileSync(path, program);
  return { path, [Symbol.dispose]: () => rmSync(path) };
}

async function itemsInBackup(folder: TempFolder): Promise<unknown[]> {
  const output = folder.join("copy.db");
  const restored = await run([...commandLine, "restore", "-o", output, folder.join("backups/app")]);
  expect(restored).toMatchObject({ exitCode: 0 });
  using database = new Database(output);
  return database
    .query<{ item: string }, []>("SELECT item FROM orders ORDER BY rowid")
    .all()
    .map(({ item }) => item);
}

const examples = codeBlocksIn(readPage("docs/library.md"))
  .filter(({ language }) => language === "ts")
  .map(({ lines }) => lines.join("\n"));

function exampleWith(text: string): string {
  const [example, ...others] = examples.filter((candidate) => candidate.includes(text));
  if (example === undefined || others.length > 0) throw new Error(`one example has ${text}`);
  return example;
}

test(
  "the example of the library's README replicates and restores as it is written",
  async () => {
    await using folder = await tempFolder();
    {
      await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 1, transactions: 20 });
      await writer.waitUntilDone();
    }
    const [, text = ""] = /```ts\n([^`]*)```/.exec(readPage("packages/core/README.md")) ?? [];
    using example = writeExample(folder, text);
    expect(await run([process.execPath, example.path])).toMatchObject({ exitCode: 0 });
    expect(verifyWorkload(folder.join("restored.db"))).toBe(20);
  },
  timeoutMs,
);

test("the README shows the same two lines as docs/library.md, whose examples are run", () => {
  const [example] = codeBlocksIn(readPage("README.md")).filter(({ language }) => language === "ts");
  expect(example?.lines.join("\n")).toBe(examples[0] ?? "");
});

describe("docs/library.md", () => {
  test(
    "its two lines replicate what another process writes",
    async () => {
      await using folder = await tempFolder();
      {
        await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 1, transactions: 20 });
        await writer.waitUntilDone();
      }
      using example = writeExample(folder, examples[0] ?? "");
      expect(await run([process.execPath, example.path])).toMatchObject({ exitCode: 0 });
      const output = folder.join("copy.db");
      await run([...commandLine, "restore", "-o", output, folder.join("backups/app")]);
      expect(verifyWorkload(output)).toBe(20);
    },
    timeoutMs,
  );

  test(
    "with Bun.serve: what was answered is in the backup, and SIGTERM ends it well",
    async () => {
      await using folder = await tempFolder();
      using example = writeExample(folder, exampleWith("Bun.serve"));
      const server = Bun.spawn([process.execPath, example.path], { stdio: ["ignore", "pipe", "inherit"] });
      try {
        let said = "";
        for await (const chunk of server.stdout.pipeThrough(new TextDecoderStream())) {
          said += chunk;
          if (said.includes("\n")) break;
        }
        const [url = ""] = /http:\/\/\S+/.exec(said) ?? [];
        for (const body of ["tea", "bread"]) expect((await fetch(url, { method: "POST", body })).status).toBe(201);
        expect(await itemsInBackup(folder)).toEqual(["tea", "bread"]);
        server.kill("SIGTERM");
        expect(await server.exited).toBe(0);
      } finally {
        server.kill("SIGKILL");
      }
    },
    timeoutMs,
  );

  test.each(["drizzle-orm", "kysely-bun-sqlite"])(
    "with %s: what was inserted is in the backup",
    async (name) => {
      await using folder = await tempFolder();
      using example = writeExample(folder, exampleWith(name));
      const outcome = await run([process.execPath, example.path]);
      expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
      expect(await itemsInBackup(folder)).toEqual(["tea", "bread"]);
      expect(existsSync(folder.join("app.db"))).toBe(true);
    },
    timeoutMs,
  );
});
