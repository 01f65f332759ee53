import * as v from "valibot";
import { didYouMean } from "../nearest.ts";
import { foreignKeys, idleKeys, refusedKeys, secretKeys } from "./idle-keys.ts";
import { type ConfigFields, configSchema, databaseSchema, replicaSchema } from "./schema.ts";
import type { Path, YamlFile } from "./yaml-file.ts";

/** What of a file has the right shape; the rest became problems of the file. */
export interface Shape {
  readonly fields: ConfigFields;
  /** True for a map of which something was left out: what seems to be missing there may only be misspelt. */
  readonly isPartial: (path: Path) => boolean;
}

/** Checks each key and value by the schema; all that is wrong becomes the file's problems, and is left out. */
export function checkShape(file: YamlFile, value: unknown): Shape | undefined {
  if (!isPlainMap(value)) {
    file.problems.add(file.offset([]), "must be a map with the key dbs");
    return undefined;
  }
  const partial = new Set<string>();
  const leaveOut = (path: Path): void => {
    for (const touched of [path, path.slice(0, -1)]) partial.add(touched.join("\0"));
    remove(value, path);
  };
  checkKeys(file, value, leaveOut);
  dropNulls(file, value);
  const first = v.safeParse(configSchema, value);
  for (const issue of first.issues ?? []) {
    const path = pathOf(issue);
    report(file, issue, path);
    leaveOut(path);
  }
  const rest = first.success ? first : v.safeParse(configSchema, value);
  return rest.success ? { fields: rest.output, isPartial: (path) => partial.has(path.join("\0")) } : undefined;
}

function report(file: YamlFile, issue: v.BaseIssue<unknown>, path: Path): void {
  const key = path.at(-1);
  if (issue.type === "strict_object" && issue.input === undefined && typeof key === "string") {
    file.problems.add(file.offset(path.slice(0, -1)), `the key "${key}" is missing here`);
    return;
  }
  const subject = typeof key === "string" ? `${key} ` : "";
  const isSecret = path.some((step) => typeof step === "string" && secretKeys.has(step));
  const written = isSecret ? "" : `, not ${file.shown(path)}`;
  // What says more than what it must be, such as a nearest word, ends the message.
  const [what = "", more = ""] = issue.message.split(/(?=;)/, 2);
  const isScalar = typeof issue.input !== "object";
  const isWrong = what.startsWith("must") ? written : isSecret || !isScalar ? "" : `: ${file.shown(path)}`;
  file.problems.add(file.offset(path), `${subject}${what}${isWrong}${more}`);
}

/** Unknown keys, and those that do nothing or are refused; each at its place, on all levels. */
function checkKeys(file: YamlFile, config: Record<string, unknown>, leaveOut: (path: Path) => void): void {
  const visit = (schema: unknown, value: unknown, path: Path): void => {
    if (Array.isArray(value)) {
      const item = property(schema, "item");
      for (const [index, element] of value.entries()) visit(item, element, [...path, index]);
      return;
    }
    const entries = entriesOf(schema);
    if (entries === undefined || !isPlainMap(value)) return;
    for (const key of Object.keys(value)) {
      const offset = file.keyOffset(path, key);
      const entry = Object.hasOwn(entries, key) ? entries[key] : undefined;
      const foreign = own(foreignKeys, key);
      const idle = own(idleKeys, key);
      const refused = own(refusedKeys, key);
      if (entry === undefined) {
        file.problems.add(offset, `unknown key "${key}"${unknownHint(key, Object.keys(entries))}`);
        leaveOut([...path, key]);
      } else if (refused !== undefined) {
        file.problems.add(offset, `"${key}" is not here: ${refused}`);
      } else if (foreign !== undefined) {
        file.warnings.add(offset, `"${key}" does nothing here: it is of ${foreign} replicas, which are not here`);
      } else if (idle !== undefined) {
        file.warnings.add(offset, `"${key}" does nothing here: ${idle}`);
      } else {
        visit(inner(entry), value[key], [...path, key]);
      }
    }
  };
  visit(configSchema, config, []);
}

const levels: readonly (readonly [string, object])[] = [
  ["the file, beside dbs", configSchema.entries],
  ["a database", databaseSchema.entries],
  ["a replica", replicaSchema.entries],
];

const knownMax = 16;

function unknownHint(key: string, known: readonly string[]): string {
  const guess = didYouMean(key, known);
  if (guess !== "") return guess;
  const elsewhere = levels.find(([, entries]) => Object.hasOwn(entries, key));
  if (elsewhere !== undefined) return `; it is a key of ${elsewhere[0]}`;
  const useful = known.filter((name) =>
    [foreignKeys, idleKeys, refusedKeys].every((keys) => !Object.hasOwn(keys, name)),
  );
  const more = useful.length - knownMax;
  return `; known here: ${useful.slice(0, knownMax).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** As in Go, a key without a value is as if it were not there. */
function dropNulls(file: YamlFile, config: Record<string, unknown>): void {
  const visit = (value: unknown, path: Path): void => {
    if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) visit(element, [...path, index]);
    } else if (isPlainMap(value)) {
      for (const [key, element] of Object.entries(value)) {
        if (element !== null) visit(element, [...path, key]);
        else if (path.length > 0 || key !== "dbs") {
          file.warnings.add(file.keyOffset(path, key), `"${key}" has no value; it is left out`);
          delete value[key];
        }
      }
    }
  };
  visit(config, []);
}

/** Takes what is at `path` out of the value: a key, or all that is in an element of a list, whose place must stay. */
function remove(value: Record<string, unknown>, path: Path): void {
  let container: unknown = value;
  for (const step of path.slice(0, -1)) container = child(container, step);
  const last = path.at(-1);
  if (Array.isArray(container) && typeof last === "number") container[last] = {};
  else if (isPlainMap(container) && typeof last === "string") {
    if (container === value && last === "dbs") container[last] = [];
    else delete container[last];
  }
}

function child(container: unknown, step: string | number): unknown {
  if (Array.isArray(container)) return typeof step === "number" ? container[step] : undefined;
  return isPlainMap(container) ? container[step] : undefined;
}

function pathOf(issue: v.BaseIssue<unknown>): Path {
  return (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
}

/** The map or list inside of what is optional, or one of a choice. */
function inner(schema: unknown): unknown {
  const wrapped = property(schema, "wrapped") ?? schema;
  const options = property(wrapped, "options");
  if (!Array.isArray(options)) return wrapped;
  return options.find((option) => entriesOf(option) !== undefined) ?? wrapped;
}

function entriesOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const entries = property(schema, "entries");
  return isPlainMap(entries) ? entries : undefined;
}

function property(value: unknown, name: string): unknown {
  return isPlainMap(value) ? value[name] : undefined;
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

export function isPlainMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
