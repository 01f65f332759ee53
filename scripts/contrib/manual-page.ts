import type { DescribedCommand } from "./described.ts";

/** The manual page litestream(1), in man(7)'s macros. */
export function manualPage(commands: readonly DescribedCommand[], version: string): string {
  return [
    '.\\" Made by `npm run contrib`.',
    `.TH LITESTREAM 1 "" "litestream ${version}" "User Commands"`,
    ".ad l",
    ".SH NAME",
    "litestream \\- continuous backup of SQLite databases",
    ".SH SYNOPSIS",
    ...commands
      .flatMap(({ name, usages }) => usages.map((usage) => [`.B litestream ${name}`, roff(usage)]))
      .flatMap((usage, index) => (index === 0 ? usage : [".br", ...usage])),
    ".SH DESCRIPTION",
    "Litestream copies the write-ahead log of a live SQLite database to replicas, as it is written, and restores the",
    "database from them, to its latest state or an earlier one. The database stays as it is, and so does its",
    "application.",
    ".PP",
    "Flags are written with one dash or two, before or after the other arguments;",
    ".B \\-flag value",
    "or",
    ".BR \\-flag=value .",
    "A REPLICA is a folder or a URL.",
    ".SH COMMANDS",
    ...commands.flatMap(({ name, about, flags }) => [
      `.SS ${name}`,
      ...paragraphs(about),
      ...flags.flatMap(({ name: flag, valueHint, description }) => [
        ".TP",
        valueHint === undefined ? `.B \\-${roff(flag)}` : `.BI "\\-${roff(flag)} " ${roff(valueHint)}`,
        ...lines(description),
      ]),
    ]),
    ".SH EXAMPLES",
    ...commands.flatMap(({ examples }) =>
      examples.flatMap(({ purpose, command }) => [".TP", ...lines(purpose), ".br", `.B ${roff(command)}`]),
    ),
    ".SH FILES",
    ...definition(
      "/etc/litestream.yml",
      "The configuration file, where neither \\-config nor $LITESTREAM_CONFIG names one.",
    ),
    ...definition(".DB\\-litestream", "Beside each database: the copy of its write-ahead log, and a lock."),
    ".SH ENVIRONMENT",
    ...definition("LITESTREAM_CONFIG", "Path of the configuration file."),
    ...definition("LITESTREAM_DEBUG", "Where it is 1, an error comes with its stack, for reports of bugs."),
    ".SH EXIT STATUS",
    "0 where it is done; 1 where not, and then one line on standard error says what, where and what to do. All others",
    "are in docs/command.md.",
    "",
  ]
    .filter((line, index, all) => line !== "" || index === all.length - 1)
    .join("\n");
}

function definition(term: string, text: string): string[] {
  return [".TP", `.B ${term}`, text];
}

function paragraphs(text: string): string[] {
  return text.split("\n\n").flatMap((paragraph, index) => [...(index === 0 ? [] : [".PP"]), ...lines(paragraph)]);
}

/** Each line of the text as one of the page's, with a break before a sentence that stands on a line of its own. */
function lines(text: string): string[] {
  return text.split("\n").map((line) => roff(line));
}

/** A backslash, a dash, and a dot or a quote at the start of a line mean something else there. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/, "\\&");
}
