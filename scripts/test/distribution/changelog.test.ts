import { describe, expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { addVersion, parseChangeset } from "../../distribution/changelog.ts";
import { commandFolder, root } from "../../distribution/command-entries.ts";
import { publishedFolders, readManifest } from "../../distribution/command-manifest.ts";

describe("a changelog", () => {
  const changelog = "# Changes\n\nWhat it is.\n";
  const changes = [
    { bump: "patch", text: "Something was\nwrong." },
    { bump: "minor", text: "Something is new." },
  ] as const;

  test("gets its first version below what it says of itself", () => {
    const news = ["### New", "", "- Something is new.", "", "### Mended", "", "- Something was", "  wrong.", ""];
    const section = ["## 0.1.0 (2026-01-31)", "", ...news].join("\n");
    expect(addVersion(changelog, "0.1.0", "2026-01-31", changes)).toBe(`${changelog}\n${section}`);
  });

  test("gets a later version above the ones before", () => {
    const first = addVersion(changelog, "0.1.0", "2026-01-31", changes);
    const second = addVersion(first, "0.2.0", "2026-02-01", changes);
    expect(second.indexOf("## 0.2.0")).toBeLessThan(second.indexOf("## 0.1.0"));
    expect(second).toEndWith(first.slice(first.indexOf("## 0.1.0")));
  });
});

describe("parseChangeset", () => {
  test("takes the largest of its packages' bumps", () => {
    const text = '---\n"litestream": patch\n"@litestream/core": minor\n---\n\nWhat is new.\n';
    expect(parseChangeset("new.md", text)).toEqual({ bump: "minor", text: "What is new." });
  });

  for (const text of ["What is new.", "---\n---\n\nNothing named.", '---\n"litestream": minor\n---\n']) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseChangeset("new.md", text)).toThrow("new.md: a changeset names packages");
    });
  }
});

test("all packages have one version, which CHANGELOG.md tells of, and what .changeset holds can be read", async () => {
  const versions = new Set<string>();
  for (const folder of publishedFolders) versions.add((await readManifest(folder)).version);
  const { version } = await readManifest(commandFolder);
  expect([...versions]).toEqual([version]);
  expect(await readFile(join(root, "CHANGELOG.md"), "utf8")).toMatch(
    new RegExp(`^## ${version.replaceAll(".", "\\.")} `, "m"),
  );
  for (const name of await readdir(join(root, ".changeset"))) {
    if (!name.endsWith(".md") || name === "README.md") continue;
    parseChangeset(name, await readFile(join(root, ".changeset", name), "utf8"));
  }
});
