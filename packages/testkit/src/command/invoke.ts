import { type ArgsDef, type CommandDef, renderUsage, runCommand } from "citty";
import { didYouMean } from "./nearest.ts";
import { printOut } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** Runs a subcommand on its arguments, or shows its help. Resolves to the exit code that it returns. */
export type RunSubcommand = (args: readonly string[]) => Promise<number>;

const commandName = "litestream-testkit";

/**
 * The way from a definition to a subcommand that refuses what it does not know; citty by itself would ignore it.
 * Arguments that are no flags are left to the subcommand, in `args._`.
 */
export function subcommand<T extends ArgsDef>(name: string, flags: T, command: CommandDef<T>): RunSubcommand {
  return async (args) => {
    if (checkFlags(name, args, flags) === "help") {
      const parent: CommandDef<T> = { meta: { name: commandName } };
      printOut(
        withoutColor(await renderUsage(command, parent))
          .replaceAll(/ +$/gm, "")
          .trimEnd(),
      );
      return 0;
    }
    const { result } = await runCommand(command, { rawArgs: [...args] });
    return typeof result === "number" ? result : 0;
  };
}

/** @throws UsageError for a flag that is unknown, or lacks its value. */
function checkFlags(name: string, args: readonly string[], flags: ArgsDef): "help" | undefined {
  const flagNames = Object.keys(flags).filter((flag) => flags[flag]?.type !== "positional");
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") return undefined;
    if (arg === "-h" || arg === "--help") return "help";
    if (!arg.startsWith("-") || arg === "-") continue;
    const [, flag = "", attached] = /^--?([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const definition = flags[flag];
    if (definition === undefined || definition.type === "positional" || !arg.startsWith("--")) {
      const guess = didYouMean(flag, flagNames, "--") || `; "${commandName} ${name} --help" lists those there are`;
      throw new UsageError(`${name}: unknown flag ${arg}${guess}`);
    }
    if (definition.type === "boolean") {
      if (attached !== undefined) throw new UsageError(`${name}: --${flag} takes no value`);
    } else if (attached === undefined) {
      const value = args[++i];
      if (value === undefined || value.startsWith("--")) throw new UsageError(`${name}: --${flag} needs a value`);
    }
  }
  return undefined;
}

function withoutColor(text: string): string {
  return process.stdout.isTTY ? text : Bun.stripANSI(text);
}
