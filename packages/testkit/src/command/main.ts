#!/usr/bin/env bun
import { version } from "./version.ts";
import { didYouMean } from "./nearest.ts";
import { oneLine, printError, printOut } from "./output.ts";
import type { RunSubcommand } from "./invoke.ts";
import { UsageError } from "./usage-error.ts";

const subcommands: ReadonlyMap<string, { readonly summary: string; readonly load: () => Promise<RunSubcommand> }> =
  new Map([
    [
      "generate",
      {
        summary: "makes a fixture: a database, its WAL, and a manifest of what is in them",
        load: async () => (await import("./generate.ts")).generate,
      },
    ],
    ["list", { summary: "shows what there is to generate", load: async () => (await import("./list.ts")).list }],
    [
      "verify",
      {
        summary: "checks a fixture against its manifest",
        load: async () => (await import("./verify.ts")).verify,
      },
    ],
    [
      "damage",
      {
        summary: "damages a file of a fixture, and notes that in its manifest",
        load: async () => (await import("./damage.ts")).damage,
      },
    ],
  ]);

function overview(): string {
  return [
    "litestream-testkit makes SQLite databases with an interesting WAL, the same bytes every time.",
    "",
    "    litestream-testkit generate NAME DIR",
    ...[...subcommands].map(([name, { summary }]) => `    ${name.padEnd(9)} ${summary}`),
    "",
    '"litestream-testkit COMMAND --help" shows what a command takes. Each of them takes --json.',
  ].join("\n");
}

/** Exit codes: 0 done, 1 not done, or damage found; 2 not to be understood; 130 and 143 interrupted. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  try {
    if (name === undefined) throw new UsageError(`a command is missing: one of ${[...subcommands.keys()].join(", ")}`);
    if (name === "help" || name === "--help" || name === "-h") {
      printOut(overview());
      return 0;
    }
    if (name === "--version" || name === "-v") {
      printOut(version());
      return 0;
    }
    const subcommand = subcommands.get(name);
    if (subcommand === undefined) {
      const guess = didYouMean(name, subcommands.keys()) || `; it is one of ${[...subcommands.keys()].join(", ")}`;
      throw new UsageError(`unknown command "${name}"${guess}`);
    }
    return await (
      await subcommand.load()
    )(args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    printError(`litestream-testkit: ${oneLine(message)}`);
    // A RangeError is an option out of its range.
    return error instanceof UsageError || error instanceof RangeError ? 2 : 1;
  }
}

process.exit(await main(process.argv.slice(2)));
