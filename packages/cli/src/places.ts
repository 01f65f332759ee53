import type { ReplicaOptions } from "@litestream/core";
import type { DatabaseConfig } from "./config/config.ts";
import { canonicalPath } from "./paths.ts";
import { UsageError } from "./usage-error.ts";

/** For people: the folder or URL of a replica. Equal for two that would overwrite each other. */
export function placeOf(replica: ReplicaOptions): string {
  if (replica.type === "url") return replica.url;
  if (replica.type !== "s3") return canonicalPath(replica.path);
  const { bucket, path, endpoint } = replica;
  const at = endpoint === undefined ? "" : ` at ${endpoint.replace(/^https?:\/\//, "")}`;
  return `s3://${bucket}${path === undefined ? "" : `/${path}`}${at}`;
}

/**
 * Two replicas in one place overwrite each other's backups, and so does a replica in a database's own folder of state.
 * @throws UsageError when a path is put to two uses.
 */
export function checkPlaces(databases: readonly DatabaseConfig[]): void {
  const uses = new Map<string, string>();
  const claim = (place: string, use: string): void => {
    const other = uses.get(place);
    if (other !== undefined) {
      throw new UsageError(`${place} is used twice: as ${other}, and as ${use}.`, "Give each a path of its own.");
    }
    uses.set(place, use);
  };
  for (const { path, metaPath, replicas } of databases) {
    claim(canonicalPath(path), "a database");
    if (metaPath !== undefined) claim(canonicalPath(metaPath), `the meta-path of ${path}`);
    for (const replica of replicas) claim(placeOf(replica), `the replica ${replica.name} of ${path}`);
  }
}
