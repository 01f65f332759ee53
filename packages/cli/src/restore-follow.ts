/** `restore -f`: what it refuses, and what it says. */
import {
  follow,
  type FollowEvent,
  formatFollowedState,
  isLitestreamError,
  openReplica,
  type RestoreOptions,
} from "@litestream/core";
import { formatDurationMs, parseDurationMs } from "./duration.ts";
import { newestReplica } from "./newest-replica.ts";
import { oneLine, printError, printOut } from "./output.ts";
import { Progress, type ProgressMode } from "./progress.ts";
import type { RestoreTarget } from "./restore-target.ts";
import { UsageError } from "./usage-error.ts";

const intervalMsDefault = 1000;

/** Of the states that a copy goes through one is said at most so often, unless -v or -json ask for each. */
const sayAppliedEveryMs = 10_000;

export const followFlags = {
  f: {
    type: "boolean",
    description:
      "Follows: after restoring, keeps the copy up to date until it is interrupted. Others may read the copy,\n" +
      "and must not write to it. A copy of an earlier run goes on.",
  },
  "follow-interval": {
    type: "string",
    valueHint: "DURATION",
    description: "With -f: how often to look for what is new.\nDefaults to 1s.",
  },
} as const;

/** Flags that name another state than the latest, or what follows does anyway. */
const otherFlags = ["generation", "index", "timestamp", "txid", "force", "dry-run", "if-db-not-exists"] as const;

type FollowArguments = Readonly<
  Partial<Record<(typeof otherFlags)[number] | "f", string | boolean | undefined>> & {
    "follow-interval"?: string | undefined;
  }
>;

/** Undefined where the command shall not follow. @throws UsageError */
export function parseFollow(args: FollowArguments): { readonly intervalMs: number } | undefined {
  const interval = args["follow-interval"];
  if (args.f !== true) {
    if (interval !== undefined) throw new UsageError("litestream restore: -follow-interval needs -f");
    return undefined;
  }
  for (const flag of otherFlags) {
    if (args[flag] === undefined || args[flag] === false) continue;
    throw new UsageError(
      `cannot take both -f and -${flag}`,
      "A copy follows the latest state, and goes on where it is.",
    );
  }
  if (interval === undefined) return { intervalMs: intervalMsDefault };
  const intervalMs = parseDurationMs(interval);
  if (intervalMs === undefined || intervalMs <= 0) {
    throw new UsageError(`litestream restore: -follow-interval is a duration such as 1s, not "${interval}"`);
  }
  return { intervalMs };
}

export interface FollowWishes extends Pick<RestoreOptions, "integrityCheck" | "parallelism"> {
  readonly intervalMs: number;
  readonly progress: ProgressMode;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Resolves when `signal` is given. */
export async function followTo(
  { replicas, outputPath }: RestoreTarget,
  wishes: FollowWishes,
  signal: AbortSignal,
): Promise<void> {
  const replica = await newestReplica(
    replicas.map((options) => openReplica(options)),
    undefined,
  );
  const speaker = new Speaker(outputPath, replica.location, wishes);
  const { intervalMs, integrityCheck, parallelism } = wishes;
  const onEvent = (event: FollowEvent): void => speaker.say(event);
  try {
    await follow({ replica, outputPath, intervalMs, integrityCheck, parallelism, signal, onEvent });
  } catch (error) {
    if (!signal.aborted || !isLitestreamError(error, "ABORTED")) throw error;
  } finally {
    speaker.end();
  }
}

class Speaker {
  readonly #outputPath: string;
  readonly #location: string;
  readonly #wishes: FollowWishes;
  #progress: Progress | undefined;
  #appliedMs = Number.NEGATIVE_INFINITY;

  constructor(outputPath: string, location: string, wishes: FollowWishes) {
    this.#outputPath = outputPath;
    this.#location = location;
    this.#wishes = wishes;
  }

  say(event: FollowEvent): void {
    if (event.type === "restore") {
      this.#restoring(event);
      return;
    }
    this.end();
    const { json, verbose } = this.#wishes;
    if (json) printOut(JSON.stringify(jsonOf(event)));
    switch (event.type) {
      case "restored":
        say(`restored ${this.#outputPath} from ${this.#location}; following it`);
        return;
      case "resumed":
        say(`following ${this.#location} from ${formatFollowedState(event.state)} on`);
        return;
      case "applied": {
        const nowMs = performance.now();
        if (!verbose && (json || nowMs - this.#appliedMs < sayAppliedEveryMs)) return;
        this.#appliedMs = nowMs;
        say(`at ${formatFollowedState(event.state)}: ${event.pages} pages, lag ${formatDurationMs(event.lagMs)}`);
        return;
      }
      case "replaced":
        say(`warning: the latest state was restored anew, ${event.pages} pages of it differed: ${event.why}`);
        return;
      case "waiting":
        say(`warning: ${event.error.message}; the copy stays as it is, and is tried again`);
        return;
      default:
        event satisfies never;
    }
  }

  /** Takes a progress bar off the screen. */
  end(): void {
    this.#progress?.[Symbol.dispose]();
    this.#progress = undefined;
  }

  #restoring({ event }: Extract<FollowEvent, { type: "restore" }>): void {
    const { json, progress } = this.#wishes;
    if (event.type === "read") {
      this.#progress ??= new Progress("restoring", json && progress === "auto" ? "never" : progress);
      this.#progress.update(event.readBytes, event.totalBytes);
    } else if (event.type === "warning") {
      this.#progress?.pause();
      say(`warning: ${event.message}`);
    }
  }
}

function jsonOf(event: Exclude<FollowEvent, { type: "restore" }>): object {
  switch (event.type) {
    case "restored":
      return { event: event.type, size: event.result.sizeBytes };
    case "resumed":
      return { event: event.type, position: formatFollowedState(event.state) };
    case "applied":
      return {
        event: event.type,
        position: formatFollowedState(event.state),
        pages: event.pages,
        duration_ms: Math.round(event.durationMs),
        lag_ms: Math.round(event.lagMs),
      };
    case "replaced":
      return { event: event.type, why: event.why, pages: event.pages, size: event.result.sizeBytes };
    case "waiting":
      return { event: event.type, code: event.error.code, error: event.error.message, retry_ms: event.retryMs };
  }
}

function say(text: string): void {
  printError(oneLine(text));
}
