import type { DatabaseConfig } from "./config.ts";
import { canonicalPath } from "./paths.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Two replicas in one folder overwrite each other's backups, and so does a replica in a database's own folder of state.
 * @throws UsageError when a path is put to two uses.
 */
export function checkPlaces(databases: readonly DatabaseConfig[]): void {
  const uses = new Map<string, string>();
  const claim = (path: string, use: string): void => {
    const place = canonicalPath(path);
    const other = uses.get(place);
    if (other !== undefined) {
      throw new UsageError(`${path} is used twice: as ${other}, and as ${use}.`, "Give each a path of its own.");
    }
    uses.set(place, use);
  };
  for (const { path, metaPath, replicas } of databases) {
    claim(path, "a database");
    if (metaPath !== undefined) claim(metaPath, `the meta-path of ${path}`);
    for (const replica of replicas) claim(replica.path, `the replica ${replica.name} of ${path}`);
  }
}
