import { briefly, type DescribedCommand } from "./described.ts";

/** Completions for fish. */
export function fishCompletions(commands: readonly DescribedCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const lines = [
    "# fish completion for litestream. Made by `npm run contrib`.",
    "",
    `set -l commands ${names}`,
    'complete -c litestream -n "not __fish_seen_subcommand_from $commands" -f',
  ];
  for (const { name, summary } of commands) {
    lines.push(`complete -c litestream -n "not __fish_seen_subcommand_from $commands" -a ${name} -d ${quote(summary)}`);
  }
  for (const { name, flags } of commands) {
    const here = `complete -c litestream -n "__fish_seen_subcommand_from ${name}"`;
    if (flags.length > 0) lines.push("");
    for (const flag of flags) {
      const option = flag.name.length === 1 ? `-s ${flag.name}` : `-o ${flag.name}`;
      const value =
        flag.valueHint === undefined
          ? ""
          : flag.valueHint === "PATH"
            ? " -r -F"
            : ` -x${flag.values.length > 0 ? ` -a ${quote(flag.values.join(" "))}` : ""}`;
      lines.push(`${here} ${option}${value} -d ${quote(briefly(flag.description))}`);
    }
  }
  lines.push("", `complete -c litestream -n "__fish_seen_subcommand_from help" -f -a ${quote(names)}`);
  return `${lines.join("\n")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
