import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "../src/index.ts";

const skip = join(import.meta.dirname, "../src/skip.ts");

/** What `bun test` says of one test file with this body. */
async function outcomeOf(body: string, environment: Record<string, string>): Promise<string> {
  await using folder = await tempFolder();
  writeFileSync(
    join(folder.path, "x.test.ts"),
    `import { skipUnless, skipWhen } from ${JSON.stringify(skip)};\n${body}\n`,
  );
  const { LITESTREAM_REQUIRE_TOOLS: _, ...inherited } = process.env;
  const child = Bun.spawn([process.execPath, "test", "x.test.ts"], {
    cwd: folder.path,
    env: { ...inherited, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [said] = await Promise.all([child.stderr.text(), child.exited]);
  return said;
}

test("skipUnless hands the tool to the test", async () => {
  const said = await outcomeOf(`skipUnless("go", "no Go")("a", (go) => { if (go !== "go") throw go; });`, {});
  expect(said).toContain("(pass) a");
});

test("skipUnless skips without the tool, and names the reason", async () => {
  const said = await outcomeOf(`skipUnless(undefined, "no Go")("a", () => {});`, {});
  expect(said).toContain("(skip) a (skipped: no Go)");
});

test("skipUnless fails without the tool where tools are required", async () => {
  const said = await outcomeOf(`skipUnless(undefined, "no Go")("a", () => {});`, { LITESTREAM_REQUIRE_TOOLS: "1" });
  expect(said).toContain("no Go, and LITESTREAM_REQUIRE_TOOLS is set");
  expect(said).toContain("(fail) a");
});

test("skipWhen skips, also where tools are required, and names the reason", async () => {
  const environment = { LITESTREAM_REQUIRE_TOOLS: "1" };
  expect(await outcomeOf(`skipWhen(true, "root")("a", () => {});`, environment)).toContain("(skip) a (skipped: root)");
  expect(await outcomeOf(`skipWhen(false, "root")("a", () => {});`, environment)).toContain("(pass) a");
});
