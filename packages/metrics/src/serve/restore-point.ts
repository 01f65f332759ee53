import { basename, dirname, join } from "node:path";
import { formatTimestamp, planRestore, type ReplicaReader } from "@litestream/core";
import type { RestorePoint } from "./detail-documents.ts";

/** Where a state is taken from, and how the command is told. */
export interface RestoreSource {
  readonly dbPath: string;
  readonly replica: ReplicaReader;
  /** What names the replica on the command line; its location where absent. */
  readonly arguments?: readonly string[] | undefined;
}

const nsPerMs = 1_000_000n;

/**
 * The command that restores the last state at `atMs` (milliseconds since 1970), after it was looked whether the replica
 * has one.
 * @throws LitestreamError as `planRestore`: NO_SUCH_POINT names the nearest states
 */
export async function restorePointAt(source: RestoreSource, atMs: number): Promise<RestorePoint> {
  const { dbPath, replica } = source;
  const timestamp = formatTimestamp(BigInt(atMs) * nsPerMs);
  const plan = await planRestore({ replica, timestamp });
  const state =
    plan.layout === "ltx"
      ? "a replica by Litestream 0.5"
      : `generation ${plan.wal.generation}, last written ${formatTimestamp(plan.timeNs)}`;
  const words = [
    "litestream",
    "restore",
    "-timestamp",
    timestamp,
    "-o",
    outputPath(dbPath, timestamp),
    ...(source.arguments ?? [replica.location]),
  ];
  return { command: words.map(shellWord).join(" "), state, storedBytes: plan.storedBytes };
}

/** Beside the database, and never the database itself. */
function outputPath(dbPath: string, timestamp: string): string {
  const name = basename(dbPath);
  const dot = name.lastIndexOf(".");
  const [stem, suffix] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  return join(dirname(dbPath), `${stem}-${timestamp.replaceAll(/[-:]/g, "")}${suffix}`);
}

/** As a shell takes it, whatever is in a path. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
