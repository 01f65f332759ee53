/**
 * The command as it is published: its own sources and those of @litestream/core and @litestream/metrics in a few files,
 * so that it starts quickly and one tarball is enough. Other libraries stay what they are, dependencies.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { commandEntries, commandFolder, entryNaming } from "./command-entries.ts";
import { commandDependencies } from "./command-manifest.ts";

const outdir = join(commandFolder, "dist");
await rm(outdir, { recursive: true, force: true });
await Bun.build({
  entrypoints: [...commandEntries],
  outdir,
  target: "bun",
  format: "esm",
  splitting: true,
  sourcemap: "linked",
  naming: { entry: entryNaming },
  external: Object.keys(await commandDependencies()),
});
