import { join } from "node:path";
import { commandFolder, root } from "./command-entries.ts";

type Versions = Readonly<Record<string, string>>;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Versions;
  readonly devDependencies?: Versions;
  readonly files?: readonly string[];
  readonly man?: readonly string[];
  readonly exports?: Versions;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** The packages of this project that are published, by their folders. */
export const publishedFolders: readonly string[] = ["core", "metrics", "testkit", "cli"].map((name) =>
  join(root, "packages", name),
);

export async function readManifest(folder: string): Promise<Manifest> {
  return (await Bun.file(join(folder, "package.json")).json()) as Manifest;
}

/** Every library that the bundled command needs: those of the packages that are bundled into it, too. */
export async function commandDependencies(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  const add = async (folder: string): Promise<void> => {
    for (const [name, version] of Object.entries((await readManifest(folder)).dependencies ?? {})) {
      if (name.startsWith("@litestream/")) await add(join(root, "packages", name.replace("@litestream/", "")));
      else all[name] = version;
    }
  };
  await add(commandFolder);
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The command's package.json as it is published: a command with its manual page, and nothing to import. */
export async function commandManifest(): Promise<Manifest> {
  const { devDependencies: _dev, scripts: _scripts, files, ...published } = await readManifest(commandFolder);
  return {
    ...published,
    man: ["./man/litestream.1"],
    files: [...(files ?? []), "completions", "man"],
    exports: { "./package.json": "./package.json" },
    dependencies: await commandDependencies(),
  };
}
