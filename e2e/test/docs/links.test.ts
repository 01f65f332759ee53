import { expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { anchorsIn, linksIn, pages, readPage, root } from "../../src/docs/markdown.ts";

test("every link within the project leads to a file or a heading that is there", () => {
  const broken = pages.flatMap((page) =>
    linksIn(readPage(page)).flatMap(({ target, line }) => {
      if (/^[a-z]+:/.test(target)) return [];
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : normalize(join(dirname(page), path));
      const where = `${page}:${line} ${target}`;
      if (!existsSync(join(root, file))) return [`${where}: no such file`];
      if (anchor === undefined || !file.endsWith(".md")) return [];
      return anchorsIn(readPage(file)).has(anchor) ? [] : [`${where}: no such heading`];
    }),
  );
  expect(broken).toEqual([]);
});

test("every link to another host is encrypted", () => {
  const others = pages.flatMap((page) =>
    linksIn(readPage(page)).flatMap(({ target, line }) =>
      /^[a-z]+:/.test(target) && !target.startsWith("https://") ? [`${page}:${line} ${target}`] : [],
    ),
  );
  expect(others).toEqual([]);
});

/** Where a page names a file of the sources without saying in which of these it lies. */
const folders = [
  "",
  "packages/core/src",
  "packages/core/test",
  "packages/core",
  "packages/cli/src",
  "packages/cli",
  "e2e/test",
];
const fileNames = new Set(
  [...new Bun.Glob("{packages,e2e,bench,scripts,examples}/**/*.ts").scanSync({ cwd: root })].map((path) =>
    basename(path),
  ),
);

test("every file and folder that a page names is there", () => {
  const missing = pages.flatMap((page) => {
    const names = [...readPage(page).matchAll(/`((?:[\w.-]+\/)+[\w.-]*(?:\.ts|\.sh|\.svg)?|[\w-]+\.(?:test\.)?ts)`/g)];
    return names.flatMap(([, name = ""]) => {
      // Folders of a user's, and of replicas, are not ours.
      const isOurs = /^(?:packages|e2e|bench|scripts|contrib|examples|docs)\//.test(name) || name.endsWith(".ts");
      if (!isOurs) return [];
      if (!name.includes("/")) return fileNames.has(name) ? [] : [`${page}: ${name}`];
      const places = [dirname(page), ...folders].map((folder) => join(root, folder, name));
      return places.some((place) => existsSync(place)) ? [] : [`${page}: ${name}`];
    });
  });
  expect(missing).toEqual([]);
});

test("pages stay readable: none is empty, and each begins with its title", () => {
  for (const page of pages) {
    expect(statSync(join(root, page)).size).toBeGreaterThan(50);
    expect(readPage(page)).toMatch(/^# \S/);
  }
});
