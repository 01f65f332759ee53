#!/usr/bin/env bun
import { loadCommand } from "./commands.ts";
import { printError } from "./output.ts";
import { debugStack, describeError } from "./report.ts";

/** Exit codes: 0 done, 1 not done (stderr says why), 128 + N ended by a second signal N. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === undefined) return (await import("./commands/help.ts")).missingCommand();
    if (/^--?(?:h|help)$/.test(name)) return await (await loadCommand("help")).run(rest);
    if (/^--?(?:v|version)$/.test(name)) return await (await loadCommand("version")).run(rest);
    return await (await loadCommand(name)).run(rest);
  } catch (error) {
    printError(describeError(error));
    const stack = debugStack(error);
    if (stack !== undefined) printError(stack);
    return 1;
  }
}

process.exit(await main(process.argv.slice(2)));
