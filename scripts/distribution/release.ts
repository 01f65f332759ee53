/**
 * `npm run release`: gives the packages their next version, from what .changeset says, and tells of it in CHANGELOG.md.
 * Nothing is committed or published: look at it, commit it, then publish the tarballs of `npm run pack`.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contribFiles } from "../contrib/main.ts";
import { addVersion, parseChangeset } from "./changelog.ts";
import { commandFolder, root } from "./command-entries.ts";
import { readManifest } from "./command-manifest.ts";
import { runQuietly } from "./run-quietly.ts";

const folder = join(root, ".changeset");
const names = (await readdir(folder)).filter((name) => name.endsWith(".md") && name !== "README.md").sort();
if (names.length === 0) throw new Error(".changeset tells of no change since the last version");
const changesets = await Promise.all(
  names.map(async (name) => parseChangeset(`.changeset/${name}`, await readFile(join(folder, name), "utf8"))),
);
await runQuietly([process.execPath, "--bun", "x", "changeset", "version"], root);
await runQuietly([process.execPath, "install"], root);
const { version } = await readManifest(commandFolder);
const path = join(root, "CHANGELOG.md");
const date = new Date().toISOString().slice(0, 10);
await writeFile(path, addVersion(await readFile(path, "utf8"), version, date, changesets));
// The manual page names the version.
for (const [name, text] of await contribFiles()) await writeFile(join(root, name), text);
await runQuietly([process.execPath, "--bun", "run", "oxfmt"], root);
console.log(`${version}, of ${names.length} changes; see CHANGELOG.md`);
