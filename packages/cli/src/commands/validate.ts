import { formatPosition, type ValidationResult } from "@litestream/core";
import { defineCommand } from "citty";
import type { ValidateResponse } from "../control/protocol.ts";
import { formatDurationMs } from "../duration.ts";
import { interruptible } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { oneLine, printOut } from "../output.ts";
import { type ReplicaWork, replicaWorkFlags, type ReplicaWorkArguments, workOnReplicas } from "../replica-work.ts";
import { validationJson } from "../status/status-json.ts";
import { wrap } from "../wrap.ts";

const columnsMax = 80;

const command = defineCommand({
  args: replicaWorkFlags,
  run({ args }): Promise<number> {
    return interruptible((signal) => run(args, signal));
  },
});

const validateWork: ReplicaWork<ValidateResponse> = {
  command: "validate",
  label: "validation",
  work: async (engine, { path }, request) => ({ path, results: await engine.validate(request) }),
};

async function run(args: ReplicaWorkArguments, signal: AbortSignal): Promise<number> {
  const validated = await workOnReplicas(validateWork, args, signal);
  if (args.json === true) {
    printJson(validated.map(({ path, results }) => ({ path, results: results.map(validationJson) })));
  } else {
    print(validated);
  }
  return validated.every(({ results }) => results.every(({ status }) => status === "ok")) ? 0 : 1;
}

function print(validated: readonly ValidateResponse[]): void {
  printTable(
    ["database", "replica", "status", "time"],
    validated.flatMap(({ path, results }) =>
      results.map(({ replica, status, durationMs }) => [path, replica, status, formatDurationMs(durationMs)]),
    ),
  );
  for (const { path, results } of validated) {
    for (const result of results) {
      if (result.status === "ok") continue;
      for (const line of wrap(oneLine(`${path}, replica ${result.replica}: ${explain(result)}`), columnsMax))
        printOut(line);
    }
  }
}

function explain({ status, position, differences, keptAt, message }: ValidationResult): string {
  const at = position === undefined ? "" : ` at ${formatPosition(position)}`;
  if (status === "error") return `could not be validated${at}: ${message ?? "the reason is not known"}`;
  const pages = differences.map(({ pgno, owner }) => (owner === undefined ? `${pgno}` : `${pgno} (${owner})`));
  const kept = keptAt === undefined ? "" : `; both databases are kept in ${keptAt}`;
  return `differs from the database${at} in pages ${pages.join(", ")}${kept}`;
}

const help: CommandHelp = {
  about: [
    "Restores replicas aside and compares them with the live databases, page by page, at one position. A replicator",
    "that runs is asked by its control socket; without one, the databases of the configuration file are brought up to",
    "date first. Exit code 1 if a replica differs, or could not be compared.",
  ].join("\n"),
  usages: ["[arguments] [DB_PATH...]"],
  examples: [
    { purpose: "All databases.", command: "litestream validate -config litestream.yml" },
    { purpose: "One replica of one.", command: "litestream validate -replica s3 /data/app.db" },
  ],
};

export const validateCommand: Command = {
  flags: replicaWorkFlags,
  help,
  run: (args) => invoke("validate", command, replicaWorkFlags, help, args),
};
