import type { DatabaseStatus } from "@litestream/core";

/** What is known of a database when it is judged. */
export interface JudgedDatabase {
  readonly path: string;
  /** Undefined when it did not answer. */
  readonly status: DatabaseStatus | undefined;
}

/** Why the backup is not good right now, one line for each reason; empty while it is. */
export function problemsOf({ path, status }: JudgedDatabase, lagLimitMs: number): string[] {
  if (status === undefined) return [`${path}: does not answer`];
  if (status.state !== "replicating") {
    return [`${path}: ${status.state}${status.reason === undefined ? "" : `: ${status.reason}`}`];
  }
  return status.replicas.flatMap(({ name, lagMs, lastValidation }) => {
    const problems: string[] = [];
    if (lagMs === undefined) problems.push("holds nothing that is known to be restorable yet");
    else if (lagMs >= lagLimitMs) problems.push(`is ${formatSeconds(lagMs)} behind`);
    if (lastValidation?.status === "mismatch") problems.push("differs from the database");
    return problems.map((problem) => `${path}: replica ${name} ${problem}`);
  });
}

function formatSeconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
