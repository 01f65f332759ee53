import { commandEntries, loadCommand } from "../commands.ts";
import type { Command } from "../invoke.ts";
import { printError, printOut } from "../output.ts";

/** `litestream help [COMMAND]` */
async function help(args: readonly string[]): Promise<number> {
  const [name] = args.filter((arg) => !arg.startsWith("-"));
  if (name === undefined || name === "help") {
    printOut(overview());
    return 0;
  }
  return (await loadCommand(name)).run(["-help"]);
}

export const helpCommand: Command = {
  flags: {},
  help: { about: "Shows what there is, or what a command takes.", usages: ["[COMMAND]"], examples: [] },
  run: help,
};

/** `litestream` alone: nothing was asked for, which a script should notice. */
export function missingCommand(): number {
  printError(overview());
  return 1;
}

function overview(): string {
  const entries = [...commandEntries()];
  const width = Math.max(...entries.map(([name]) => name.length));
  return [
    "litestream backs up SQLite databases continuously, and restores them.",
    "",
    "Usage:",
    "",
    "\tlitestream <command> [arguments]",
    "",
    "The commands are:",
    "",
    ...entries.map(([name, { summary }]) => `\t${name.padEnd(width)}  ${summary}`),
    "",
    'Run "litestream help COMMAND" for what a command takes.',
  ].join("\n");
}
