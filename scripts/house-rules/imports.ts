import { importsOf, isTypeScript, packageFolderOf, resolveReference, type SourceFile } from "./project.ts";

/**
 * Dependencies follow the data: for each folder of packages/core/src, the folders it may import from. Files that lie
 * in packages/core/src itself are vocabulary that every folder shares, and name the folders' types at most; except
 * those in `summits`, which see everything.
 * `replica` and `db` never meet: a replica reads from a WalSource.
 */
const coreFolders: Readonly<Record<string, readonly string[]>> = {
  wal: [],
  lz4: [],
  ltx: ["lz4"],
  store: [],
  sqlite: ["wal"],
  shadow: ["wal"],
  layout: ["wal", "lz4", "ltx", "store"],
  replica: ["wal", "lz4", "store", "layout", "shadow", "restore", "validate"],
  db: ["wal", "sqlite", "shadow"],
  restore: ["wal", "lz4", "ltx", "store", "sqlite", "layout"],
  validate: ["wal", "lz4", "ltx", "sqlite", "restore"],
  host: ["wal", "lz4", "ltx", "store", "sqlite", "shadow", "layout", "replica", "db", "restore", "validate"],
};
const summits = new Set(["index.ts", "litestream.ts", "open-replica.ts"]);

/** Imports inside packages/core/src that go against the flow of the data. */
export function findWrongDirections(files: readonly SourceFile[]): string[] {
  const root = "packages/core/src/";
  const found: string[] = [];
  for (const file of files) {
    if (!file.path.startsWith(root) || !isTypeScript(file)) continue;
    const from = file.path.slice(root.length);
    if (summits.has(from)) continue;
    const folder = folderOf(from);
    const allowed = folder === "" ? [] : coreFolders[folder];
    if (allowed === undefined) {
      found.push(`${file.path}:1 lies in a folder without a place in the flow; give it one in scripts/house-rules`);
      continue;
    }
    for (const { specifier, line } of importsOf(file)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolveReference(file, specifier).replace(root, "");
      const targetFolder = folderOf(target);
      if (folder === "" && file.text.split("\n")[line - 1]?.startsWith("import type") === true) continue;
      if (summits.has(target)) {
        found.push(`${file.path}:${line} imports ${target}, which stands above everything else in core`);
      } else if (targetFolder !== "" && targetFolder !== folder && !allowed.includes(targetFolder)) {
        const may = allowed.length === 0 ? "only shared files" : allowed.join(", ");
        found.push(
          `${file.path}:${line} imports from ${targetFolder}/; ${folder || "a shared file"} may import ${may}`,
        );
      }
    }
  }
  return found;
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

interface Manifest {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** For each package, those of this project that its src may import; its tests may use the testkit too. */
const packageDirections: Readonly<Record<string, readonly string[]>> = {
  "packages/testkit": [],
  "packages/core": [],
  "packages/metrics": ["@litestream/core"],
  "packages/cli": ["@litestream/core", "@litestream/metrics"],
};

/** Imports between packages that go the wrong way, reach into another package's files, or are not declared. */
export function findWrongPackages(files: readonly SourceFile[]): string[] {
  const manifests = new Map<string, Manifest>();
  for (const file of files) {
    if (file.path.endsWith("/package.json")) {
      manifests.set(packageFolderOf(file.path), JSON.parse(file.text) as Manifest);
    }
  }
  const found: string[] = [];
  for (const file of files) {
    const home = packageFolderOf(file.path);
    const manifest = manifests.get(home);
    if (!isTypeScript(file) || manifest === undefined) continue;
    const isSource = file.path.startsWith(`${home}/src/`);
    for (const { specifier, line } of importsOf(file)) {
      const where = `${file.path}:${line}`;
      if (specifier.startsWith(".")) {
        const target = resolveReference(file, specifier);
        if (packageFolderOf(target) !== home) found.push(`${where} reaches out of ${home} to ${target}`);
        continue;
      }
      if (/^(?:node|bun):|^bun$/.test(specifier)) continue;
      const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
      if (name === manifest.name) continue;
      const ours = name.startsWith("@litestream/") || name === "litestream";
      const directions = packageDirections[home];
      if (ours && isSource && directions !== undefined && !directions.includes(name)) {
        found.push(`${where} imports ${name}, which ${home} must not know`);
      } else if (manifest.dependencies?.[name] === undefined && manifest.peerDependencies?.[name] === undefined) {
        if (isSource) found.push(`${where} imports ${name}, which ${home}/package.json does not declare`);
        else if (manifest.devDependencies?.[name] === undefined) {
          found.push(`${where} imports ${name}, which ${home}/package.json does not declare, not even for development`);
        }
      }
    }
  }
  return found;
}
