import { openReplica, type ReplicaReader } from "@litestream/core";
import { hasColor, paint } from "./color.ts";
import type { DatabaseConfig } from "./config/config.ts";
import { configFlags } from "./flags.ts";
import { oneLine, printError, printOut } from "./output.ts";
import { describeError } from "./report.ts";
import { findRestoreTarget } from "./restore-target.ts";
import { fitRows, formatTable } from "./table.ts";

/** The flags of every command that lists what replicas hold. */
export const listFlags = {
  ...configFlags,
  replica: {
    type: "string",
    valueHint: "NAME",
    description: "Only this one of the replicas that the configuration file gives the database.",
  },
  json: { type: "boolean", description: "Prints the list as JSON." },
} as const;

export interface ListArguments {
  readonly _: readonly string[];
  readonly config?: string | undefined;
  readonly "expand-env": boolean;
  readonly replica?: string | undefined;
}

export interface ListSource {
  readonly database: DatabaseConfig | undefined;
  readonly replicas: readonly ReplicaReader[];
}

/** What the arguments of a listing name: the replicas of a database, or one itself. @throws UsageError */
export async function findListSource(command: string, args: ListArguments): Promise<ListSource> {
  const { database, replicas } = await findRestoreTarget({
    others: args._,
    configPath: args.config,
    expandEnv: args["expand-env"],
    outputPath: undefined,
    replicaName: args.replica,
    writes: false,
    command,
  });
  return { database, replicas: replicas.map((options) => openReplica(options)) };
}

/**
 * Reads from each replica. One that cannot be read is said, and hides none of the others.
 * @returns what was read, and whether that is all
 */
export async function readEach<T>(
  replicas: readonly ReplicaReader[],
  read: (replica: ReplicaReader) => Promise<readonly T[]>,
): Promise<{ readonly items: readonly T[]; readonly isComplete: boolean }> {
  const outcomes = await Promise.allSettled(replicas.map(read));
  const items: T[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") items.push(...outcome.value);
    else
      printError(oneLine(`replica ${replicas[index]?.name ?? ""} cannot be listed: ${describeError(outcome.reason)}`));
  }
  return { items, isComplete: outcomes.every(({ status }) => status === "fulfilled") };
}

export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const { stdout } = process;
  const cells = rows.map((row) => row.map(oneLine));
  // A pipe gets all of it.
  const fitting = stdout.isTTY ? fitRows(header, cells, stdout.columns || 80) : cells;
  const [title = "", ...lines] = formatTable(header, fitting).split("\n");
  printOut([hasColor(stdout) ? paint(title, "bold") : title, ...lines].join("\n"));
}

export function printJson(value: unknown): void {
  printOut(JSON.stringify(value, undefined, 2));
}

/** RFC 3339 with whole seconds, as Litestream's lists have it. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

/** `name: value`, a line each. */
export function printPairs(pairs: Readonly<Record<string, string | number | null>>): void {
  printOut(
    Object.entries(pairs)
      .map(([name, value]) => oneLine(`${name}: ${value ?? "-"}`))
      .join("\n"),
  );
}
