import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** One text file of the project. `path` is relative to the root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A relative path or a package's name in quotes, where one file names another. */
export interface Reference {
  readonly specifier: string;
  readonly line: number;
}

const generated = new Set([
  ".git",
  ".test-results",
  ".tools",
  ".turbo",
  "bun.lock",
  "coverage",
  "dist",
  "LICENSE",
  "node_modules",
]);
const textFile = /\.(?:ts|js|md|json|jsonc|toml|yml|yaml|sh)$|(?:^|\/)(?:run|\.gitignore)$/;

/** Every text file below `root` that somebody wrote. */
export function readProject(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (generated.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && textFile.test(path)) {
        files.push({ path, text: readFileSync(join(root, path), "utf8") });
      }
    }
  };
  walk("");
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function isTypeScript(file: SourceFile): boolean {
  return file.path.endsWith(".ts");
}

/** Scripts that a browser runs as they are; their types are in comments. */
export function isJavaScript(file: SourceFile): boolean {
  return file.path.endsWith(".js");
}

/** The lines of a file without comments and without what is in quotes, so that prose is not taken for code. */
export function codeLines(file: SourceFile): string[] {
  const blank = (match: string): string => match.replace(/[^\n]/g, " ");
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return file.text
    .replace(token, (match) => (match.startsWith("/") ? blank(match) : `"${blank(match.slice(2))}"`))
    .split("\n");
}

/** What a file imports or re-exports, statically or by `import()`, types too. */
export function importsOf(file: SourceFile): Reference[] {
  return [
    ...findReferences(file, /^(?:import|export)\b(?:[^"';]*?\bfrom)?\s*"([^"\n]+)"/gm),
    ...findReferences(file, /\bimport\s*\(\s*"([^"\n]+)"/g),
  ];
}

/** Every relative path of a TypeScript file in quotes: imports, and files that are run as processes of their own. */
export function relativeReferencesOf(file: SourceFile): Reference[] {
  return [
    ...findReferences(file, /"(\.\.?\/[^"\n]+\.ts)"/g),
    // An extension that is decided when it runs: `./name${isBuilt ? ".js" : ".ts"}`.
    ...findReferences(file, /`(\.\.?\/[\w./-]+)\$\{/g).map((found) => ({
      ...found,
      specifier: `${found.specifier}.ts`,
    })),
  ];
}

/** The bare names of TypeScript files in quotes, which `join` makes a path of. */
export function namesIn(file: SourceFile): ReadonlySet<string> {
  return new Set(findReferences(file, /"([\w.-]+\.ts)"/g).map((found) => found.specifier));
}

function findReferences(file: SourceFile, pattern: RegExp): Reference[] {
  return [...file.text.matchAll(pattern)].map((match) => ({
    specifier: match[1] ?? "",
    line: file.text.slice(0, match.index).split("\n").length,
  }));
}

/** The path, relative to the root, that a relative specifier means in `file`. */
export function resolveReference(file: SourceFile, specifier: string): string {
  return posix.normalize(posix.join(dirname(file.path), specifier));
}

/** The folder of the package a file belongs to, such as `packages/core`; empty for the root's own files. */
export function packageFolderOf(path: string): string {
  return /^(?:packages\/[^/]+|e2e|bench|examples|scripts)(?=\/)/.exec(path)?.[0] ?? "";
}
