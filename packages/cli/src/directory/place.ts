import { mkdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { DatabaseConfig, DirectoryConfig, ReplicaConfig } from "../config/config.ts";

/** How one database of a folder is replicated: its replicas and its state get places of their own, by its path. */
export function databaseIn(directory: DirectoryConfig, path: string): DatabaseConfig {
  const { template, metaFolder } = directory;
  const below = relative(directory.dir, path);
  return {
    ...template,
    path,
    replicas: template.replicas.map((replica) => replicaBelow(replica, below)),
    ...(metaFolder !== undefined && {
      metaPath: join(metaFolder, dirname(below), `${directory.metaPrefix ?? ""}${basename(below)}-litestream`),
    }),
  };
}

/** As Litestream 0.5: the database's path below the folder is added to the replica's. */
function replicaBelow(replica: ReplicaConfig, below: string): ReplicaConfig {
  const keys = below.split("/").join("/");
  if (replica.type === "s3") return { ...replica, path: replica.path === undefined ? keys : `${replica.path}/${keys}` };
  if (replica.type === "url") {
    const [location = "", query] = replica.url.split(/(?=\?)/, 2);
    return { ...replica, url: `${location.replace(/\/$/, "")}/${encodeURI(keys)}${query ?? ""}` };
  }
  return { ...replica, path: join(replica.path, below) };
}

/**
 * Creates the folders between a folder replica's place and that of one of its databases. Not the place itself if what
 * it lies in is missing: a disk that is not mounted must be noticed.
 */
export function makeReplicaFolders(directory: DirectoryConfig, database: DatabaseConfig): void {
  for (const [index, replica] of database.replicas.entries()) {
    const base = directory.template.replicas[index];
    if (replica.type === "s3" || replica.type === "url" || base === undefined) continue;
    if (base.type === "s3" || base.type === "url") continue;
    if (statSync(dirname(base.path), { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    mkdirSync(dirname(replica.path), { recursive: true });
  }
}
