import { readFileSync } from "node:fs";
import { LitestreamError, errorMessage } from "@litestream/core";
import * as v from "valibot";
import {
  type Document,
  LineCounter,
  type Scalar,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from "yaml";
import type { Config, DatabaseConfig, Environment, ReplicaConfig } from "./config.ts";
import { configSchema, databaseSchema, idleKeys, refusedKeys, replicaSchema } from "./config-schema.ts";
import { expandEnv } from "./expand-env.ts";
import { didYouMean } from "./nearest.ts";
import { expandPath } from "./paths.ts";
import { isUrl, parseReplicaLocation, replicaTypeProblem } from "./replica-url.ts";

type Path = readonly (string | number)[];

/**
 * Reads and checks a configuration file. `env` is undefined to leave `$NAME` as it is.
 * @throws LitestreamError CONFIG_INVALID, with file, line and column.
 */
export function readConfigFile(path: string, env: Environment | undefined): Config {
  const expandedPath = expandPath(path);
  let text: string;
  try {
    text = readFileSync(expandedPath, "utf8");
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new LitestreamError(
      "CONFIG_INVALID",
      missing
        ? `config file not found: ${expandedPath}`
        : `cannot read the config file ${expandedPath}: ${errorMessage(cause)}`,
      { path: expandedPath, hint: "Name the file with -config FILE.", cause },
    );
  }
  return parseConfig(text, path, env);
}

/** `readConfigFile` on text; `name` is the file's name in messages. */
export function parseConfig(text: string, name: string, env: Environment | undefined): Config {
  return new ConfigFile(text, name).parse(env);
}

class ConfigFile {
  readonly #name: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly #warnings: string[] = [];

  constructor(text: string, name: string) {
    this.#name = name;
    this.#document = parseDocument(text, { lineCounter: this.#lines, merge: true, prettyErrors: false });
  }

  parse(env: Environment | undefined): Config {
    const [syntaxError] = this.#document.errors;
    if (syntaxError !== undefined) throw this.#error(syntaxError.pos[0], syntaxError.message);
    const { contents } = this.#document;
    if (!isMap(contents)) throw this.#error(contents?.range?.[0] ?? 0, "must be a map with the key dbs");
    this.#checkAliases();
    if (env !== undefined) this.#expandEnv(env);
    const value: unknown = this.#document.toJS();
    const result = v.safeParse(configSchema, value);
    if (!result.success) throw this.#firstIssue(result.issues);
    this.#reportKeys(result.output, []);
    const databases = result.output.dbs.map((db, index) => this.#database(db, ["dbs", index]));
    return { databases, warnings: this.#warnings };
  }

  #checkAliases(): void {
    visit(this.#document, {
      Alias: (_, alias) => {
        if (alias.resolve(this.#document) !== undefined) return;
        throw this.#error(alias.range?.[0] ?? 0, `there is no anchor &${alias.source} before this`);
      },
    });
  }

  /** Only whole values are expanded, after parsing: what a variable holds can add no keys, and lines stay true. */
  #expandEnv(env: Environment): void {
    visit(this.#document, {
      Scalar: (key, node) => {
        if (key === "key" || typeof node.value !== "string") return;
        const { text, unset } = expandEnv(node.value, env);
        for (const variable of unset) {
          this.#warn(node.range?.[0] ?? 0, `the variable ${variable} is not set; it was replaced by nothing`);
        }
        node.value = text;
      },
    });
  }

  #database(db: v.InferOutput<typeof databaseSchema>, path: Path): DatabaseConfig {
    if (isUrl(db.path)) {
      throw this.#error(this.#offset([...path, "path"]), `a database is a file on this machine, not a URL: ${db.path}`);
    }
    const replicas = db.replicas.map((replica, index) => this.#replica(replica, [...path, "replicas", index]));
    for (const [index, { name }] of replicas.entries()) {
      if (replicas.findIndex((other) => other.name === name) === index) continue;
      const message = `a second replica with the name "${name}"; give each replica of a database a name of its own`;
      throw this.#error(this.#offset([...path, "replicas", index]), message);
    }
    return {
      path: expandPath(db.path),
      replicas,
      ...(db["meta-path"] !== undefined && { metaPath: expandPath(db["meta-path"]) }),
      ...(db["monitor-interval"] !== undefined && { monitorIntervalMs: db["monitor-interval"] }),
      ...(db["checkpoint-interval"] !== undefined && { checkpointIntervalMs: db["checkpoint-interval"] }),
      ...(db["min-checkpoint-page-count"] !== undefined && { minCheckpointPageCount: db["min-checkpoint-page-count"] }),
      ...(db["max-checkpoint-page-count"] !== undefined && { maxCheckpointPageCount: db["max-checkpoint-page-count"] }),
      ...(db["busy-timeout"] !== undefined && { busyTimeoutMs: db["busy-timeout"] }),
    };
  }

  #replica(replica: v.InferOutput<typeof replicaSchema>, path: Path): ReplicaConfig {
    if (replica.type !== undefined && replica.type !== "file") {
      throw this.#error(this.#offset([...path, "type"]), replicaTypeProblem(replica.type));
    }
    if (replica.path !== undefined && replica.url !== undefined) {
      throw this.#error(this.#offset([...path, "url"]), "a replica has either a path or a url, not both");
    }
    if (replica.path !== undefined && isUrl(replica.path)) {
      throw this.#error(this.#offset([...path, "path"]), `this is a URL; write url: ${replica.path}`);
    }
    const key = replica.url === undefined ? "path" : "url";
    const written = replica.url ?? replica.path;
    if (written === undefined) throw this.#error(this.#offset(path), "a replica needs a path or a url");
    if (key === "url" && !isUrl(written)) {
      throw this.#error(this.#offset([...path, key]), `"${written}" is not a URL; write path: ${written}`);
    }
    const location = parseReplicaLocation(written);
    if (!location.ok) throw this.#error(this.#offset([...path, key]), location.reason);
    // Refused keys come after the type and the URL: "s3 is not in this version" says more than "bucket is not".
    this.#refuseKeys(replica, path);
    return { type: "file", name: replica.name ?? "file", path: location.path };
  }

  /** Warns of the keys that do nothing, on all levels, in the order of the file's structure. */
  #reportKeys(config: v.InferOutput<typeof configSchema>, path: Path): void {
    this.#refuseKeys(config, path);
    this.#warnOfIdleKeys(config, path);
    for (const [index, db] of config.dbs.entries()) {
      for (const [replicaIndex, replica] of db.replicas.entries()) {
        this.#warnOfIdleKeys(replica, [...path, "dbs", index, "replicas", replicaIndex]);
      }
    }
  }

  #refuseKeys(map: object, path: Path): void {
    for (const key of Object.keys(map)) {
      const consequence = refusedKeys[key];
      if (consequence === undefined) continue;
      throw this.#error(this.#keyOffset(path, key), `"${key}" is not in this version: ${consequence}`);
    }
  }

  #warnOfIdleKeys(map: object, path: Path): void {
    for (const key of Object.keys(map)) {
      const consequence = idleKeys[key];
      if (consequence === undefined) continue;
      this.#warn(this.#keyOffset(path, key), `"${key}" is not in this version: ${consequence}`);
    }
  }

  /** The issue to begin with: an unknown key, which may be why another is missing, or else the first in the file. */
  #firstIssue(issues: readonly v.BaseIssue<unknown>[]): LitestreamError {
    const unknownKeys = issues.filter(isUnknownKey);
    const located = (unknownKeys.length > 0 ? unknownKeys : issues).map((issue) => this.#locate(issue));
    located.sort((a, b) => a.offset - b.offset);
    const [first] = located;
    return this.#error(first?.offset ?? 0, first?.message ?? "cannot be used");
  }

  #locate(issue: v.BaseIssue<unknown>): { offset: number; message: string } {
    const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
    const key = path.at(-1);
    const parent = path.slice(0, -1);
    if (issue.type === "strict_object" && typeof key === "string") {
      const known = knownKeys(parent);
      if (isUnknownKey(issue)) {
        const guess = didYouMean(key, known) || `; known here: ${known.join(", ")}`;
        return { offset: this.#keyOffset(parent, key), message: `unknown key "${key}"${guess}` };
      }
      if (issue.input === undefined)
        return { offset: this.#offset(parent), message: `the key "${key}" is missing here` };
    }
    const subject = typeof key === "string" ? `${key} ` : "";
    return { offset: this.#offset(path), message: `${subject}${issue.message}` };
  }

  /** Offset of the value at `path`, or of what is nearest above it when a merge key hides it. */
  #offset(path: Path): number {
    let node: unknown = this.#document.contents;
    let offset = 0;
    for (const key of path) {
      node = this.#child(node, key);
      if (!isNode(node)) break;
      offset = node.range?.[0] ?? offset;
    }
    return path.length === 0 && isNode(node) ? (node.range?.[0] ?? 0) : offset;
  }

  #keyOffset(path: Path, key: string): number {
    let node: unknown = this.#document.contents;
    for (const step of path) node = this.#child(node, step);
    return this.#pair(node, key)?.key.range?.[0] ?? this.#offset(path);
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
      if (isScalar(candidate) && candidate.value === key) return { key: candidate, value };
    }
    return undefined;
  }

  #resolved(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#name}:${line}:${col}`;
  }

  #warn(offset: number, message: string): void {
    this.#warnings.push(`${this.#at(offset)}: ${message}`);
  }

  #error(offset: number, message: string): LitestreamError {
    return new LitestreamError("CONFIG_INVALID", `${this.#at(offset)}: ${message}`, { path: this.#name, offset });
  }
}

function isUnknownKey(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function knownKeys(path: Path): string[] {
  if (path.length === 0) return Object.keys(configSchema.entries);
  if (path.length === 2) return Object.keys(databaseSchema.entries);
  return Object.keys(replicaSchema.entries);
}
