import { join } from "node:path";

export const root: string = join(import.meta.dirname, "../..");
export const commandFolder: string = join(root, "packages/cli");
const coreFolder = join(root, "packages/core");

/**
 * What has to be bundled: the command, then each thread and process that it starts from a file of its own. That file is
 * named by a path relative to where it is called from, so that all of them lie in one folder, under their own names.
 */
export const commandEntries: readonly string[] = [
  join(commandFolder, "src/main.ts"),
  join(coreFolder, "src/lz4/block-thread.ts"),
];

export const entryNaming = "[name].[ext]";
