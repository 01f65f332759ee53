import { type ArgsDef, type CommandDef, runCommand } from "citty";
import { normalizeArguments } from "./arguments.ts";
import { printOut } from "./output.ts";
import { wrap } from "./wrap.ts";

/** What `-help` shows beside the flags, which describe themselves. */
export interface CommandHelp {
  readonly about: string;
  /** What may follow `litestream NAME`, one line for each way. */
  readonly usages: readonly string[];
  readonly examples: readonly { readonly purpose: string; readonly command: string }[];
}

/** A command: what it takes, as its `-help`, the shells' completions and the manual page need it, and what it does. */
export interface Command {
  readonly flags: ArgsDef;
  readonly help: CommandHelp;
  /** Takes the arguments after the command's name, and resolves to the exit code. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

/** Runs a command on its arguments, or shows its help. Resolves to the exit code that the command returns. */
export async function invoke<T extends ArgsDef>(
  name: string,
  command: CommandDef<T>,
  flags: T,
  help: CommandHelp,
  args: readonly string[],
): Promise<number> {
  const normal = normalizeArguments(name, args, flags);
  if (normal.help) {
    printOut(formatHelp(name, flags, help));
    return 0;
  }
  const { result } = await runCommand(command, { rawArgs: [...normal.rawArgs] });
  return typeof result === "number" ? result : 0;
}

const columnsMax = 80;
/** A tab, and four spaces. */
const indentColumns = 12;
/** A tab, and what the line begins with. */
const exampleColumns = 10;

function formatHelp(name: string, flags: ArgsDef, help: CommandHelp): string {
  const lines = [...wrap(help.about, columnsMax), "", "Usage:", ""];
  for (const usage of help.usages) lines.push(`\tlitestream ${name}${usage === "" ? "" : ` ${usage}`}`, "");
  if (Object.keys(flags).length > 0) lines.push("Arguments:", "");
  for (const [flag, definition] of Object.entries(flags)) {
    const inverted = definition.type === "boolean" && definition.default === true;
    const valueHint = definition.type === "string" ? ` ${definition.valueHint ?? "VALUE"}` : "";
    lines.push(`\t-${inverted ? "no-" : ""}${flag}${valueHint}`);
    // A line of its own begins with a capital letter; any other goes on where the source broke it.
    for (const sentence of (definition.description ?? "").split(/\n(?![a-z])/)) {
      for (const line of wrap(sentence, columnsMax - indentColumns)) lines.push(`\t    ${line}`);
    }
    lines.push("");
  }
  if (help.examples.length > 0) lines.push("Examples:", "");
  for (const { purpose, command } of help.examples) {
    for (const line of wrap(purpose, columnsMax - exampleColumns)) lines.push(`\t# ${line}`);
    // A command over several lines, as a shell takes it.
    const [first = "", ...more] = wrap(command, columnsMax - exampleColumns - " \\".length);
    const parts = [`\t$ ${first}`, ...more.map((part) => `\t  ${part}`)];
    lines.push(...parts.map((part, index) => (index < parts.length - 1 ? `${part} \\` : part)), "");
  }
  return lines.join("\n").trimEnd();
}
