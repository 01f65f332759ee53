/** What the project's pages hold that can be checked: blocks of code, links, headings. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const root: string = join(import.meta.dirname, "../../..");

/** Every page, by its path from the root. */
export const pages: readonly string[] = ["*.md", "{docs,examples,.changeset}/**/*.md", "{packages/*,e2e,bench}/*.md"]
  .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: root, dot: true })])
  .filter((path) => !path.includes("node_modules"))
  .toSorted();

export function readPage(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export interface CodeBlock {
  /** Undefined for a block that is only indented. */
  readonly language: string | undefined;
  readonly lines: readonly string[];
  /** Number of its first line in the page, from 1. */
  readonly line: number;
}

/** Blocks between fences, and indented ones; without what they are indented by. */
export function codeBlocksIn(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = page.split("\n");
  let indented: { lines: string[]; line: number; indent: string } | undefined;
  const close = (): void => {
    if (indented !== undefined) blocks.push({ language: undefined, lines: indented.lines, line: indented.line });
    indented = undefined;
  };
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at] ?? "";
    const [, indent = "", language] = /^(\s*)```(\w*)\s*$/.exec(text) ?? [];
    if (language !== undefined) {
      close();
      const content: string[] = [];
      const line = at + 2;
      while (++at < lines.length && !/^\s*```\s*$/.test(lines[at] ?? ""))
        content.push((lines[at] ?? "").slice(indent.length));
      blocks.push({ language, lines: content, line });
    } else if (indented !== undefined && text.startsWith(indented.indent)) {
      indented.lines.push(text.slice(indented.indent.length));
    } else if (text.trim() !== "") {
      close();
      // In a list the text itself is indented by 2 or 3; a block goes 4 beyond that.
      const [, spaces = ""] = /^( {4,7})\S/.exec(text) ?? [];
      if (spaces !== "" && (lines[at - 1] ?? "").trim() === "") {
        indented = { lines: [text.slice(spaces.length)], line: at + 1, indent: spaces };
      }
    }
  }
  close();
  return blocks;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

/** Links and images of the text, not of the code. */
export function linksIn(page: string): Link[] {
  const text = page.replaceAll(/^\s*```\w*\n.*?^\s*```$/gms, blank).replaceAll(/`[^`\n]*`/g, blank);
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => ({
    target: match[1] ?? "",
    line: text.slice(0, match.index).split("\n").length,
  }));
}

function blank(match: string): string {
  return match.replaceAll(/[^\n]/g, " ");
}

/** The names by which headings can be linked to, as GitHub makes them. */
export function anchorsIn(page: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ""] of page.replaceAll(/^```.*?^```$/gms, "").matchAll(/^#{1,6}\s+(.*?)\s*$/gm)) {
    const plain = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replaceAll(/[`*_]/g, (mark) => (mark === "_" ? "_" : ""));
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    anchors.add(before === 0 ? slug : `${slug}-${before}`);
  }
  return anchors;
}
