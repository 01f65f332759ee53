import { basename } from "node:path";
import { databaseIn } from "../directory/place.ts";
import { scanDirectory } from "../directory/scan.ts";
import { canonicalPath, isWithin } from "../paths.ts";
import type { Config, DatabaseConfig } from "./config.ts";

/** How the configuration has the database at `path` replicated, be it there or not; undefined where it does not. */
export function findDatabase(config: Config, path: string): DatabaseConfig | undefined {
  const place = canonicalPath(path);
  const listed = config.databases.find((database) => canonicalPath(database.path) === place);
  if (listed !== undefined) return listed;
  for (const directory of config.directories) {
    const folder = canonicalPath(directory.dir);
    if (!isWithin(place, folder) || place === folder) continue;
    const below = place.slice(folder.length).replace(/^\//, "");
    if (below.includes("/") && !directory.isRecursive) continue;
    if (!new Bun.Glob(directory.pattern).match(basename(place))) continue;
    return databaseIn({ ...directory, dir: folder }, place);
  }
  return undefined;
}

/** Every database that a configuration has now, those of its folders too. */
export function databasesOf(config: Config): DatabaseConfig[] {
  return [
    ...config.databases,
    ...config.directories.flatMap((directory) =>
      [...scanDirectory(directory).candidates.keys()].map((path) => databaseIn(directory, path)),
    ),
  ];
}
