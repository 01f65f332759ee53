import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readPage, root } from "../../src/docs/markdown.ts";

/** Of a library's: nothing of ours says so. */
const others = /^Cannot find native binding|^SQLITE_BUSY|^Read-only file system|^Permission denied/;

const sources = [...new Bun.Glob("packages/{core,cli}/src/**/*.ts").scanSync({ cwd: root })]
  .map((path) => readFileSync(join(root, path), "utf8"))
  .join("\n");

test("every message that docs/troubleshooting.md explains is one that is said", () => {
  const page = readPage("docs/troubleshooting.md");
  const tables = page.split(/\n(?=\| (?:message|you see)\b)/).slice(1);
  const messages = tables
    .filter((table) => table.startsWith("| message"))
    .flatMap((table) => table.split("\n").slice(2))
    .flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text))
    .filter((text) => !others.test(text));
  expect(messages.length).toBeGreaterThan(8);
  const unsaid = messages.filter((message) =>
    message
      .split("…")
      .map((part) => part.trim())
      .some((part) => part.length > 3 && !sources.includes(part)),
  );
  expect(unsaid).toEqual([]);
});
