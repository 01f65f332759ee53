import { formatPosition, type ValidationResult } from "@litestream/core";
import { defineCommand } from "citty";
import { controlRequest, controlWork } from "../control/client.ts";
import {
  type ControlArguments,
  configuredDatabases,
  controlFlags,
  progressFlag,
  runningReplicator,
} from "../control/connect.ts";
import type { ListResponse, ValidateResponse } from "../control/protocol.ts";
import { withEngine } from "../direct.ts";
import { formatDurationMs } from "../duration.ts";
import { interruptible } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson, printTable } from "../listing.ts";
import { oneLine, printOut } from "../output.ts";
import { expandPath } from "../paths.ts";
import { parseProgressMode, Progress } from "../progress.ts";
import type { Engine } from "../supervisor/engine.ts";
import { validationJson } from "../status/status-json.ts";
import { wrap } from "../wrap.ts";

const flags = {
  ...controlFlags,
  replica: { type: "string", valueHint: "NAME", description: "Only this replica.\nDefaults to all of them." },
  progress: progressFlag,
  timeout: { ...controlFlags.timeout, description: "How long to wait for a replicator.\nDefaults to 3600." },
} as const;

const timeoutSeconds = "3600";
const columnsMax = 80;

interface Validated {
  readonly path: string;
  readonly results: readonly ValidationResult[];
}

const command = defineCommand({
  args: flags,
  run({ args }): Promise<number> {
    return interruptible((signal) => run(args, signal));
  },
});

type Arguments = ControlArguments & {
  readonly replica?: string | undefined;
  readonly progress?: string | undefined;
  readonly json?: boolean | undefined;
};

async function run(args: Arguments, signal: AbortSignal): Promise<number> {
  const client = await runningReplicator("validate", { ...args, timeout: args.timeout ?? timeoutSeconds });
  const request = args.replica === undefined ? {} : { replica: args.replica };
  const mode = parseProgressMode("validate", args.progress);
  using progress = new Progress("validation", args.json === true && mode === "auto" ? "never" : mode);
  const validated: Validated[] = [];
  if (client === undefined) {
    for (const config of await configuredDatabases("validate", args)) {
      const validate = async (engine: Engine): Promise<ValidationResult[]> => {
        await engine.sync({ signal });
        return engine.validate({ ...request, signal });
      };
      const results = await withEngine(config, validate, signal, (event) => {
        if (event.type === "progress") progress.update(event.doneBytes, event.totalBytes);
      });
      validated.push({ path: config.path, results });
    }
  } else {
    const paths =
      args._.length > 0
        ? args._.map(expandPath)
        : (await controlRequest<ListResponse>(client, "GET", "/list")).databases.map(({ path }) => path);
    for (const path of paths) {
      const body = { path, ...request, timeout: client.timeoutMs / 1000 };
      const answer = await controlWork<ValidateResponse>({ ...client, signal }, "/validate", body, ({ done, total }) =>
        progress.update(done, total),
      );
      validated.push(answer);
    }
  }
  progress.pause();
  if (args.json === true) {
    printJson(validated.map(({ path, results }) => ({ path, results: results.map(validationJson) })));
  } else {
    print(validated);
  }
  return validated.every(({ results }) => results.every(({ status }) => status === "ok")) ? 0 : 1;
}

function print(validated: readonly Validated[]): void {
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

export const validateCommand: Command = { flags, help, run: (args) => invoke("validate", command, flags, help, args) };
