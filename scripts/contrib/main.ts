/** `npm run contrib`: makes the shells' completions and the manual page from what the commands say of themselves. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { commandFolder, root } from "../distribution/command-entries.ts";
import { readManifest } from "../distribution/command-manifest.ts";
import { bashCompletions } from "./bash.ts";
import { describeCommands } from "./described.ts";
import { fishCompletions } from "./fish.ts";
import { manualPage } from "./manual-page.ts";
import { zshCompletions } from "./zsh.ts";

/** The files' contents, by their paths from the root. */
export async function contribFiles(): Promise<ReadonlyMap<string, string>> {
  const commands = await describeCommands();
  const { version } = await readManifest(commandFolder);
  return new Map([
    ["contrib/completions/litestream.bash", bashCompletions(commands)],
    ["contrib/completions/_litestream", zshCompletions(commands)],
    ["contrib/completions/litestream.fish", fishCompletions(commands)],
    ["contrib/man/litestream.1", manualPage(commands, version)],
  ]);
}

if (import.meta.main) {
  for (const [path, text] of await contribFiles()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await Bun.write(join(root, path), text);
    console.log(path);
  }
}
