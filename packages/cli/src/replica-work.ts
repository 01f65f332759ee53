import { controlRequest, controlWork } from "./control/client.ts";
import {
  type ControlArguments,
  configuredDatabases,
  controlFlags,
  progressFlag,
  runningReplicator,
} from "./control/connect.ts";
import type { ListResponse } from "./control/protocol.ts";
import type { DatabaseConfig } from "./config/config.ts";
import { withEngine } from "./direct.ts";
import { expandPath } from "./paths.ts";
import { parseProgressMode, Progress } from "./progress.ts";
import type { Engine } from "./supervisor/engine.ts";

/** What is done with the replicas of a database, one or all, and takes its time. */
export interface ReplicaWork<T> {
  /** The command's name, and the path by which a replicator is asked for it. */
  readonly command: string;
  /** Beside the progress bar. */
  readonly label: string;
  /** As the replicator does it, here; the database was brought up to date. */
  readonly work: (engine: Engine, config: DatabaseConfig, request: ReplicaRequest) => Promise<T>;
}

export interface ReplicaRequest {
  readonly replica?: string;
  readonly signal: AbortSignal;
}

export const replicaWorkFlags = {
  ...controlFlags,
  replica: { type: "string", valueHint: "NAME", description: "Only this replica.\nDefaults to all of them." },
  progress: progressFlag,
  timeout: { ...controlFlags.timeout, description: "How long to wait for a replicator.\nDefaults to 3600." },
} as const;

export type ReplicaWorkArguments = ControlArguments & {
  readonly replica?: string | undefined;
  readonly progress?: string | undefined;
  readonly json?: boolean | undefined;
};

const timeoutSecondsDefault = 3600;

/**
 * Has the work done on each database that the arguments name, or on all: by the replicator that runs, or else, with
 * those of the configuration file, in this process.
 * @returns an answer for each database
 * @throws UsageError, ConfigError, and what the work throws
 */
export async function workOnReplicas<T>(
  { command, label, work }: ReplicaWork<T>,
  args: ReplicaWorkArguments,
  signal: AbortSignal,
): Promise<T[]> {
  const client = await runningReplicator(command, { ...args, timeout: args.timeout ?? String(timeoutSecondsDefault) });
  const request = args.replica === undefined ? {} : { replica: args.replica };
  const mode = parseProgressMode(command, args.progress);
  using progress = new Progress(label, args.json === true && mode === "auto" ? "never" : mode);
  const answers: T[] = [];
  if (client === undefined) {
    for (const config of await configuredDatabases(command, args)) {
      const onUpToDate = async (engine: Engine): Promise<T> => {
        await engine.sync({ signal });
        return work(engine, config, { ...request, signal });
      };
      const answer = await withEngine(config, onUpToDate, signal, (event) => {
        if (event.type === "progress") progress.update(event.doneBytes, event.totalBytes);
      });
      answers.push(answer);
    }
  } else {
    const paths =
      args._.length > 0
        ? args._.map(expandPath)
        : (await controlRequest<ListResponse>(client, "GET", "/list")).databases.map(({ path }) => path);
    for (const path of paths) {
      const body = { path, ...request, timeout: client.timeoutMs / 1000 };
      const answer = await controlWork<T>({ ...client, signal }, `/${command}`, body, ({ done, total }) =>
        progress.update(done, total),
      );
      answers.push(answer);
    }
  }
  return answers;
}
