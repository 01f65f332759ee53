/** The commands of a page, and what becomes of each. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CodeBlock, codeBlocksIn, root } from "./markdown.ts";

export interface PageCommand {
  readonly text: string;
  readonly line: number;
}

/** What begins a line of shell, where a block does not say that it is one. */
const programs = "litestream|bash|bun|bunx|cp|docker|git|go|install|man|mkdir|mv|npm|npx|rm|sh|source|systemctl|tar";
const shellLine = new RegExp(String.raw`^(?:[A-Z_]+=(?:"[^"]*"|\S+) )*(?:\./)?(?:${programs})(?: |$)`);
/** A line that shows a form, and not a command: `litestream verify [arguments] REPLICA`. */
const form = /\[[A-Za-z]|\b(?:REPLICA|DB_PATH|ARGS|COMMAND|NAME|PATH|URL|FILE|NUM|FOLDER|PKG)\b/;

function isShell({ language, lines }: CodeBlock): boolean {
  if (language === "sh" || language === "bash") return true;
  const meant = lines.filter((line) => line.trim() !== "" && !line.startsWith("#") && !line.startsWith(" "));
  return language === undefined && meant.length > 0 && meant.every((line) => shellLine.test(line));
}

export function shellBlocksIn(page: string): PageCommand[][] {
  return codeBlocksIn(page)
    .filter(isShell)
    .map(({ lines, line }) =>
      lines
        .map((text, index) => ({ text: text.trimEnd(), line: line + index }))
        .filter(({ text }) => text.trim() !== "" && !text.startsWith("#")),
    );
}

export function withoutComment(text: string): string {
  return text.replace(/\s+#\s.*$/, "");
}

export function isForm(text: string): boolean {
  return form.test(withoutComment(text));
}

/**
 * What is not run here, and where it is run, or what is tested instead. Whatever matches none of these is run in the
 * sandbox.
 */
const elsewhere: readonly (readonly [RegExp, (text: string) => string | undefined])[] = [
  // scripts/test/distribution installs the tarballs, and unpacks the archive, under other paths.
  [/^(?:bun add|bunx|npm install|npx) /, () => undefined],
  // npm run X, bun run X: their own tests run what they are. That there is such a script is looked up.
  [/^(?:npm|bun) (?:run )?[\w-]/, missingScript],
  // sh scripts/run: the walk through README runs them; files that they run are looked up.
  [/^sh (?:\.\.\/)*scripts\/run /, missingRunnable],
  [/^cd packages\/core && sh /, () => undefined],
  [/^(?:tar -xzf|install -m \d+) (?:dist\/)?litestream/, () => undefined],
  // There is no engine, and no systemd to talk to: scripts/test has the image's tree and the unit.
  [/^(?:docker|systemctl|git clone) /, () => undefined],
  [/^mv \/usr\/local\/bin\/litestream /, () => undefined],
  // scripts/test/contrib.test.ts loads the completions, and renders the manual page.
  [/^(?:source|cp|man) (?:\.\/)?contrib\//, missingFile],
  // S3 is tested on MinIO, where the addresses are others.
  [/\bs3:\/\//, () => undefined],
  // Litestream's own binaries: e2e/src/tools.
  [/^go install /, () => undefined],
];

/** Undefined for a command that is to be run here; else what is wrong with it, or null. */
export function notRunHere(text: string): string | null | undefined {
  const command = withoutComment(text);
  const found = elsewhere.find(([pattern]) => pattern.test(command));
  return found === undefined ? undefined : (found[1](command) ?? null);
}

function scriptsOf(folder: string): Readonly<Record<string, string>> {
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as {
    scripts?: Record<string, string>;
  };
  return manifest.scripts ?? {};
}

function missingScript(text: string): string | undefined {
  const [, program, folder, name = ""] = /^(npm|bun) (?:run )?(?:--cwd (\S+) )?([\w-]+)/.exec(text) ?? [];
  const isFile = program === "bun" && /^bun (?:run )?[\w/.-]+\.ts/.test(text);
  if (isFile) return missingFile(text);
  const places = folder === undefined ? ["", "packages/core", "packages/testkit", "bench"] : [folder];
  const known = places.some((place) => name in scriptsOf(place));
  return known ? undefined : `there is no script ${name}`;
}

const runnable = /case \$command in\n(.*?)\nesac/s.exec(readFileSync(join(root, "scripts/run"), "utf8"))?.[1] ?? "";

function missingRunnable(text: string): string | undefined {
  const [, name = ""] = /scripts\/run ([\w-]+)/.exec(text) ?? [];
  if (!new RegExp(`^ {2}(?:[\\w| -]* )?${name}(?: [|\\w -]*)?\\)`, "m").test(runnable))
    return `scripts/run knows no ${name}`;
  return missingFile(text);
}

/** Of a command that names files of this project: the first that is not there. */
function missingFile(text: string): string | undefined {
  const files = text.match(/(?<=\s)(?:\.\/)?(?:packages|e2e|bench|scripts|contrib|examples)\/[\w/.-]+/g) ?? [];
  const missing = files.find((file) => !existsSync(join(root, file)));
  return missing === undefined ? undefined : `${missing} is not there`;
}
