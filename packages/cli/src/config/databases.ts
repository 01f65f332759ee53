import { join } from "node:path";
import { canonicalPath, expandPath } from "../paths.ts";
import { placeOf } from "../places.ts";
import { isUrl } from "../replica-url.ts";
import type { DatabaseConfig, DirectoryConfig, ReplicaConfig } from "./config.ts";
import { readReplica, withoutUndefined } from "./replica.ts";
import type { DatabaseFields } from "./schema.ts";
import type { Shape } from "./shape.ts";
import type { Path, YamlFile } from "./yaml-file.ts";

export type DatabaseEntry =
  | { readonly kind: "database"; readonly database: DatabaseConfig; readonly path: Path }
  | { readonly kind: "directory"; readonly directory: DirectoryConfig; readonly path: Path };

/** One entry of `dbs`; undefined where a problem keeps it from being one. */
export function readDatabase(
  fields: DatabaseFields,
  index: number,
  file: YamlFile,
  shape: Shape,
): DatabaseEntry | undefined {
  const path: Path = ["dbs", index];
  const problem = (key: string, message: string): void => file.problems.add(file.keyOffset(path, key), message);
  const isDirectory = fields.dir !== undefined;
  if (isDirectory && fields.path !== undefined) problem("dir", "a database has either a path or a dir, not both");
  if (!isDirectory && fields.path === undefined && !shape.isPartial(path)) {
    file.problems.add(file.offset(path), 'the key "path" is missing here, or "dir"');
  }
  if (isDirectory && fields.pattern === undefined && !shape.isPartial(path)) {
    problem("dir", 'a dir needs a pattern for the names of its databases, such as pattern: "*.db"');
  }
  if (!isDirectory && !shape.isPartial(path)) {
    for (const key of ["pattern", "recursive", "watch", "meta-dir"] as const) {
      if (fields[key] !== undefined) problem(key, `"${key}" goes with dir, and this is a single database`);
    }
  }
  if (isDirectory && fields["meta-dir"] !== undefined && fields["meta-path"] !== undefined) {
    problem("meta-dir", "either meta-dir or meta-path, not both");
  }
  if (fields.pattern?.includes("/") === true) {
    problem("pattern", `the pattern is matched with the names of files, which have no slash: "${fields.pattern}"`);
  }
  checkCheckpoints(fields, path, file);
  const replicas = readReplicas(fields, path, file, shape);
  const options = {
    ...withoutUndefined({
      monitorIntervalMs: fields["monitor-interval"],
      checkpointIntervalMs: fields["checkpoint-interval"],
      minCheckpointPageCount: fields["min-checkpoint-page-count"],
      maxCheckpointPageCount: fields["max-checkpoint-page-count"],
      busyTimeoutMs: fields["busy-timeout"],
      restoreIfDbNotExists: fields["restore-if-db-not-exists"] === true ? true : undefined,
    }),
    replicas,
  };
  const metaPath = fields["meta-path"];
  if (fields.dir !== undefined) {
    const metaDir = fields["meta-dir"] ?? metaPath;
    const directory: DirectoryConfig = {
      dir: expandPath(fields.dir),
      pattern: fields.pattern ?? "*",
      isRecursive: fields.recursive ?? false,
      isWatched: fields.watch ?? false,
      ...(metaDir !== undefined && {
        metaFolder: expandPath(metaDir),
        metaPrefix: fields["meta-dir"] === undefined ? "." : "",
      }),
      template: options,
    };
    return { kind: "directory", directory, path };
  }
  if (fields.path === undefined) return undefined;
  const dbPath = fields.path.replace(/^sqlite3?:\/\//, "");
  if (isUrl(dbPath) || dbPath === "") {
    file.problems.add(
      file.offset([...path, "path"]),
      `a database is a file on this machine, not a URL: ${file.shown([...path, "path"])}`,
    );
    return undefined;
  }
  const database = {
    path: expandPath(dbPath),
    ...options,
    ...(metaPath !== undefined && { metaPath: expandPath(metaPath) }),
  };
  return { kind: "database", database, path };
}

function checkCheckpoints(fields: DatabaseFields, path: Path, file: YamlFile): void {
  const min = fields["min-checkpoint-page-count"] ?? 1000;
  const max = fields["max-checkpoint-page-count"] ?? 10_000;
  if (max === 0 || min <= max) return;
  const key =
    fields["max-checkpoint-page-count"] === undefined ? "min-checkpoint-page-count" : "max-checkpoint-page-count";
  file.problems.add(
    file.offset([...path, key]),
    `checkpoints would be forced at ${max} pages, before they are tried at ${min}: ` +
      "min-checkpoint-page-count must not be above max-checkpoint-page-count",
  );
}

function readReplicas(fields: DatabaseFields, path: Path, file: YamlFile, shape: Shape): ReplicaConfig[] {
  const written: { fields: NonNullable<DatabaseFields["replica"]>; path: Path }[] = [];
  if (fields.replica !== undefined) written.push({ fields: fields.replica, path: [...path, "replica"] });
  for (const [index, replica] of (fields.replicas ?? []).entries()) {
    written.push({ fields: replica, path: [...path, "replicas", index] });
  }
  if (fields.replica !== undefined && fields.replicas !== undefined) {
    file.problems.add(file.keyOffset(path, "replica"), "either replica or replicas, not both; replicas takes a list");
  }
  if (written.length === 0 && !shape.isPartial(path)) {
    file.problems.add(file.offset(path), 'the key "replicas" is missing here, or "replica"');
  }
  const replicas: ReplicaConfig[] = [];
  for (const { fields: replicaFields, path: replicaPath } of written) {
    const context = { file, config: shape.fields, database: fields, isPartial: shape.isPartial(replicaPath) };
    const replica = readReplica(replicaFields, replicaPath, context);
    if (replica === undefined) continue;
    if (replicas.some(({ name }) => name === replica.name)) {
      file.problems.add(
        file.offset(replicaPath),
        `a second replica with the name "${replica.name}"; give each replica of a database a name of its own`,
      );
    }
    replicas.push(replica);
  }
  return replicas;
}

/** Two replicas in one place overwrite each other's backups, and so does a replica in a database's folder of state. */
export function checkPlaces(entries: readonly DatabaseEntry[], file: YamlFile): void {
  const uses = new Map<string, { readonly use: string; readonly line: number }>();
  const claim = (place: string, use: string, path: Path): void => {
    const offset = file.offset(path);
    const other = uses.get(place);
    if (other === undefined) {
      uses.set(place, { use, line: file.line(offset) });
      return;
    }
    file.problems.add(
      offset,
      `${place} is used twice: as ${other.use} in line ${other.line}, and as ${use} here; give each a place of its own`,
    );
  };
  for (const entry of entries) {
    const { path } = entry;
    const isDirectory = entry.kind === "directory";
    const { replicas } = isDirectory ? entry.directory.template : entry.database;
    if (isDirectory) {
      claim(join(canonicalPath(entry.directory.dir), entry.directory.pattern), "a folder of databases", [
        ...path,
        "dir",
      ]);
    } else {
      claim(canonicalPath(entry.database.path), "a database", [...path, "path"]);
      const { metaPath } = entry.database;
      if (metaPath !== undefined) claim(canonicalPath(metaPath), "a meta-path", [...path, "meta-path"]);
    }
    const isList = file.hasKey(path, "replicas");
    for (const [index, replica] of replicas.entries()) {
      const replicaPath = isList ? [...path, "replicas", index] : [...path, "replica"];
      claim(placeOf(replica), `the replica "${replica.name}"`, [
        ...replicaPath,
        file.hasKey(replicaPath, "url") ? "url" : "path",
      ]);
    }
  }
}
