import {
  type Document,
  LineCounter,
  type Scalar,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from "yaml";
import type { Environment } from "./config.ts";
import { expandEnv } from "./expand-env.ts";
import { secretKeys } from "./idle-keys.ts";
import { ConfigError, Findings } from "./problems.ts";
import { hideSecret } from "../secrets.ts";

/** Keys and indexes that lead from the top to a value. */
export type Path = readonly (string | number)[];

const shownLengthMax = 60;

/** A YAML document that knows where each of its values was written. */
export class YamlFile {
  readonly #name: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly #written = new Map<Scalar, string>();
  readonly problems: Findings = new Findings();
  readonly warnings: Findings = new Findings();

  constructor(text: string, name: string) {
    this.#name = name;
    hideSecretsIn(text);
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
      logLevel: "error",
    });
    for (const { pos, message } of this.#document.errors) this.problems.add(pos[0], firstLine(message));
    for (const { pos, message } of this.#document.warnings) this.warnings.add(pos[0], firstLine(message));
    this.#checkKeys();
    this.#checkAliases();
  }

  /** The values as plain objects; undefined if there are none because the file is no YAML: then a problem says so. */
  value(): unknown {
    if (!this.problems.isEmpty) return undefined;
    try {
      return this.#document.toJS({ maxAliasCount: 1000 });
    } catch (error) {
      // Aliases that multiply each other, or merge what is no map.
      this.problems.add(this.#firstAliasOffset(), error instanceof Error ? firstLine(error.message) : String(error));
      return undefined;
    }
  }

  /**
   * With `$PID` as well, as in Litestream. Only whole values are expanded, after parsing: what a variable holds can add
   * no keys, and lines stay true.
   */
  expandEnv(env: Environment): void {
    const variables = { PID: String(process.pid), ...env };
    visit(this.#document, {
      Scalar: (key, node) => {
        if (key === "key" || typeof node.value !== "string") return;
        const { text, unset } = expandEnv(node.value, variables);
        for (const variable of unset) {
          this.warnings.add(node.range?.[0] ?? 0, `the variable ${variable} is not set; it was replaced by nothing`);
        }
        if (text === node.value) return;
        this.#written.set(node, node.value);
        node.value = text;
      },
    });
  }

  /** Takes the scalar at `path` as the text that was written: `0600` is a number of another kind to YAML 1.2. */
  keepText(path: Path): void {
    const node = this.#node(path);
    if (isScalar(node) && typeof node.value === "number" && node.source !== undefined) node.value = node.source;
  }

  /** What was written at `path`, for a message: a variable's name rather than what it holds. */
  shown(path: Path): string {
    const node = this.#node(path);
    if (isMap(node)) return "a map";
    if (isSeq(node)) return "a list";
    if (!isScalar(node)) return "nothing";
    const written = this.#written.get(node) ?? node.source ?? String(node.value);
    if (written === "") return node.value === null ? "nothing" : '""';
    const line = written.replaceAll(/\s+/g, " ");
    return `"${line.length > shownLengthMax ? `${line.slice(0, shownLengthMax)}…` : line}"`;
  }

  /** Offset of the value at `path`, or of what is nearest above it when a merge key hides it. */
  offset(path: Path): number {
    let node: unknown = this.#document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const key of path) {
      node = this.#child(node, key);
      if (!isNode(node)) break;
      offset = node.range?.[0] ?? offset;
    }
    return offset;
  }

  keyOffset(path: Path, key: string): number {
    return this.#pair(this.#node(path), key)?.key.range?.[0] ?? this.offset(path);
  }

  hasKey(path: Path, key: string): boolean {
    return this.#pair(this.#node(path), key) !== undefined;
  }

  at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#name}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }

  line(offset: number): number {
    return this.#lines.linePos(offset).line;
  }

  /** @throws ConfigError when there is a problem */
  throwProblems(): void {
    if (!this.problems.isEmpty)
      throw new ConfigError(
        this.#name,
        this.problems.lines((offset) => this.at(offset)),
      );
  }

  warningLines(): string[] {
    return this.warnings.lines((offset) => this.at(offset));
  }

  #checkKeys(): void {
    visit(this.#document, {
      Pair: (_, { key }) => {
        if (isCollection(key)) this.problems.add(key.range?.[0] ?? 0, "a key must be text, not a map or a list");
      },
    });
  }

  #checkAliases(): void {
    visit(this.#document, {
      Alias: (_, alias) => {
        const offset = alias.range?.[0] ?? 0;
        const target = alias.resolve(this.#document);
        if (target === undefined) this.problems.add(offset, `there is no anchor &${alias.source} before this`);
        else if (isCollection(target) && contains(target, alias)) {
          this.problems.add(offset, `*${alias.source} stands inside of what it names`);
        }
      },
    });
  }

  #firstAliasOffset(): number {
    let offset: number | undefined;
    visit(this.#document, {
      Alias: (_, alias) => {
        offset ??= alias.range?.[0];
        return visit.BREAK;
      },
    });
    return offset ?? 0;
  }

  #node(path: Path): unknown {
    let node: unknown = this.#document.contents;
    for (const key of path) node = this.#child(node, key);
    return this.#resolved(node);
  }

  #child(node: unknown, key: string | number): unknown {
    if (typeof key === "string") return this.#pair(node, key)?.value;
    const list = this.#resolved(node);
    return isSeq(list) ? list.items[key] : undefined;
  }

  #pair(node: unknown, key: string): { key: Scalar; value: unknown } | undefined {
    const map = this.#resolved(node);
    if (!isMap(map)) return undefined;
    for (const { key: candidate, value } of map.items) {
      if (isScalar(candidate) && String(candidate.value) === key) return { key: candidate, value };
    }
    return undefined;
  }

  #resolved(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }
}

/** What the parser finds wrong it repeats, and what a secret is it does not know. */
function hideSecretsIn(text: string): void {
  for (const [, key = "", value = ""] of text.matchAll(/([a-z-]+)["']?[ \t]*:[ \t]*["']?([^\s"',}#]+)/g)) {
    // The name of a variable is no secret.
    if (secretKeys.has(key) && !value.startsWith("$")) hideSecret(value);
  }
}

function contains(node: unknown, wanted: unknown): boolean {
  if (node === wanted) return true;
  let found = false;
  if (isNode(node)) {
    visit(node, (_, inner) => {
      if (inner !== wanted) return undefined;
      found = true;
      return visit.BREAK;
    });
  }
  return found;
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? message;
}
