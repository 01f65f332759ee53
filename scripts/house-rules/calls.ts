import { codeLines, isJavaScript, isTypeScript, importsOf, type SourceFile } from "./project.ts";

const product = /^packages\/(?:core|cli|metrics)\/src\//;
const sqliteOwner = "packages/core/src/sqlite/";

/** Folders of packages/core/src that handle files at all; only sqlite/ those of the live database. */
const fileOwners = /^packages\/core\/src\/(?:sqlite\/|shadow\/|local-file\.ts|folders\.ts|store\/file\.ts)/;
const opener =
  "open|openSync|openAsBlob|opendir|readFile|readFileSync|copyFile|copyFileSync|createReadStream|createWriteStream";
const openerImported = new RegExp(
  `import\\s*\\{[^}]*\\b(${opener})\\b[^}]*\\}\\s*from\\s*"node:fs(?:/promises)?"`,
  "g",
);
const databaseOpened = new RegExp(
  `\\b(?:${opener}|LocalFile\\.open)\\(\\s*[^,)]*(?:shm|\\b(?:db|database)(?:Path|File|\\.path)?\\b)`,
  "i",
);

/**
 * Closing any descriptor of a database's file or -shm drops the locks that SQLite holds on it in the same process, so
 * only packages/core/src/sqlite opens them, and `Bun.file`, which opens and closes unseen, is not used at all.
 */
export function findDatabaseOpens(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!product.test(file.path) || !isTypeScript(file)) continue;
    const isOwner = file.path.startsWith(sqliteOwner);
    for (const { specifier, line } of importsOf(file)) {
      if (specifier === "bun:sqlite" && !isOwner) {
        found.push(`${file.path}:${line} imports bun:sqlite, which only ${sqliteOwner} may`);
      }
    }
    if (file.path.startsWith("packages/core/src/") && !fileOwners.test(file.path)) {
      for (const match of file.text.matchAll(openerImported)) {
        const line = file.text.slice(0, match.index).split("\n").length;
        found.push(
          `${file.path}:${line} imports ${match[1]}; in core, files are opened through LocalFile and the stores`,
        );
      }
    }
    codeLines(file).forEach((code, index) => {
      const where = `${file.path}:${index + 1}`;
      const call = /\bBun\s*\.\s*(?:file|mmap)\b/.exec(code);
      if (call !== null) found.push(`${where} uses ${call[0]}, whose closing drops SQLite's locks on a database`);
      if (!isOwner && databaseOpened.test(code)) {
        found.push(`${where} opens a database's file, which only ${sqliteOwner} may`);
      }
    });
  }
  return found;
}

/** Tests that are switched off, or that switch off all others. */
export function findDisabledTests(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!isTypeScript(file) || file.path === "packages/testkit/src/skip.ts") continue;
    codeLines(file).forEach((code, index) => {
      const call = /\b(?:test|it|describe)\.(?:skip|skipIf|todo|todoIf|only|if)\b/.exec(code);
      if (call !== null) {
        found.push(
          `${file.path}:${index + 1} uses ${call[0]}; what lacks a tool goes through skipUnless, with a reason`,
        );
      }
    });
  }
  return found;
}

/** Ways around the compiler. */
export function findEscapes(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!isTypeScript(file) && !isJavaScript(file)) continue;
    file.text.split("\n").forEach((line, index) => {
      const directive = /\/[/*]\s*@ts-(?:ignore|nocheck)/.exec(line);
      if (directive !== null) found.push(`${file.path}:${index + 1} silences the compiler; mend the type instead`);
      if (isJavaScript(file) && /@\w+ \{.*\bany\b.*\}/.test(line)) found.push(anyAt(file, index));
    });
    codeLines(file).forEach((code, index) => {
      if (/\bas any\b|[:<|,(]\s*any\b\s*(?:[[\]>;,)=|{]|$)/.test(code)) {
        found.push(anyAt(file, index));
      }
    });
  }
  return found;
}

function anyAt(file: SourceFile, index: number): string {
  return `${file.path}:${index + 1} uses the type any; name the type, or use unknown and check`;
}
