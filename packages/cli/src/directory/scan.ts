import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DirectoryConfig } from "../config/config.ts";
import { canonicalPath, isWithin } from "../paths.ts";

/** A file that may be a database. */
export interface Candidate {
  /** Device and inode: what it is, whatever its name. */
  readonly identity: string;
  /** Another one of these, and it may have become a database. */
  readonly signature: string;
}

export interface Scan {
  readonly candidates: ReadonlyMap<string, Candidate>;
  /** All that were looked into. */
  readonly folders: readonly string[];
}

/**
 * The files of a folder that match its pattern, without opening any: closing a descriptor of a database that is
 * replicated would drop SQLite's locks. Files that belong to a database, and folders with replicas or with state of
 * ours, are left out.
 * @throws an error of the system when the folder itself cannot be read
 */
export function scanDirectory(directory: DirectoryConfig): Scan {
  const glob = new Bun.Glob(directory.pattern);
  const kept = keptFolders(directory);
  const candidates = new Map<string, Candidate>();
  const folders: string[] = [];
  const visit = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true });
    folders.push(folder);
    const names = new Set(entries.map(({ name }) => name));
    for (const entry of entries) {
      const path = join(folder, entry.name);
      const kind = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
      if (kind === undefined) continue;
      if (kind.isDirectory()) {
        // Folders behind links could lead in circles.
        if (!directory.isRecursive || entry.isSymbolicLink() || isStateFolder(entry.name)) continue;
        if (kept.some((other) => isWithin(canonicalPath(path), other))) continue;
        try {
          visit(path);
        } catch {
          // One that went away meanwhile, or that may not be read, hides none of the others.
        }
      } else if (kind.isFile() && glob.match(entry.name) && !belongsToOther(entry.name, names)) {
        const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
        if (stat === undefined) continue;
        candidates.set(path, {
          identity: `${stat.dev}:${stat.ino}`,
          signature: `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`,
        });
      }
    }
  };
  visit(directory.dir);
  return { candidates, folders };
}

/** `-wal`, `-shm` and `-journal` of a database that lies beside it, and what a restore has not finished. */
function belongsToOther(name: string, names: ReadonlySet<string>): boolean {
  const [, database] = /^(.+)-(?:wal|shm|journal)$/.exec(name) ?? [];
  return (database !== undefined && names.has(database)) || /\.tmp-[0-9a-z-]+$/i.test(name);
}

function isStateFolder(name: string): boolean {
  return /^\..+-litestream$/.test(name);
}

function keptFolders({ template, metaFolder }: DirectoryConfig): string[] {
  const places = template.replicas.flatMap((replica) =>
    replica.type === "s3" || replica.type === "url" ? [] : [replica.path],
  );
  return [...places, ...(metaFolder === undefined ? [] : [metaFolder])].map(canonicalPath);
}
