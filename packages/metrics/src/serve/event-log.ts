import { errorMessage, formatWalIndex, type LitestreamEvent, LitestreamError } from "@litestream/core";

/** What happened, in words. */
export interface NotedEvent {
  /** Milliseconds since 1970; of the last one where it came again. */
  readonly atMs: number;
  readonly kind: "good" | "news" | "bad";
  readonly text: string;
  /** How often it came in a row. */
  readonly count: number;
}

const eventsMax = 40;
const textLengthMax = 500;

/** The last events of each database that a person wants to know of; each of its syncs is not one. */
export class EventLog {
  readonly #events = new Map<string, NotedEvent[]>();

  observe(event: LitestreamEvent, nowMs: number = Date.now()): void {
    const described = describe(event);
    if (described === undefined) return;
    const events = this.#events.get(event.db) ?? [];
    this.#events.set(event.db, events);
    const text = described.text.slice(0, textLengthMax);
    const last = events.at(-1);
    if (last?.text === text) events[events.length - 1] = { ...last, atMs: nowMs, count: last.count + 1 };
    else events.push({ ...described, text, atMs: nowMs, count: 1 });
    if (events.length > eventsMax) events.shift();
  }

  /** The newest first. */
  of(path: string): readonly NotedEvent[] {
    return this.#events.get(path)?.toReversed() ?? [];
  }

  /** Of databases that are no longer there, nothing is kept. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of this.#events.keys()) if (!paths.has(path)) this.#events.delete(path);
  }
}

function describe(event: LitestreamEvent): Pick<NotedEvent, "kind" | "text"> | undefined {
  switch (event.type) {
    case "waiting":
      return { kind: "bad", text: `waiting for the database: ${event.reason}` };
    case "opened":
      return {
        kind: "news",
        text: event.resumed ? "opened, going on with the generation of the last run" : "opened, in a new generation",
      };
    case "generation":
      return { kind: "news", text: `new generation ${event.generation}: ${event.reason}` };
    case "snapshot":
      return {
        kind: "good",
        text: `snapshot ${event.generation}/${formatWalIndex(event.index)} in replica ${event.replica}`,
      };
    case "checkpoint":
      return event.error === undefined
        ? undefined
        : { kind: "bad", text: `checkpoint failed: ${errorMessage(event.error)}` };
    case "retention": {
      const { deletedSnapshots, deletedWals, isDryRun, replica } = event;
      if (isDryRun || deletedSnapshots + deletedWals === 0) return undefined;
      const what = `${deletedSnapshots} snapshots and ${deletedWals} WAL objects`;
      return { kind: "news", text: `retention deleted ${what} of replica ${replica}` };
    }
    case "validation":
      return describeValidation(event);
    case "warning":
      return { kind: "news", text: event.hint === undefined ? event.message : `${event.message}: ${event.hint}` };
    case "error": {
      const where = event.replica === undefined ? "" : ` (replica ${event.replica})`;
      return { kind: "bad", text: `${event.operation}${where}: ${describeError(event.error)}` };
    }
    case "stopped":
      return { kind: "news", text: "stopped" };
    default:
      return undefined;
  }
}

function describeValidation({
  replica,
  status,
  message,
  differences,
}: LitestreamEvent & { readonly type: "validation" }): Pick<NotedEvent, "kind" | "text"> {
  switch (status) {
    case "ok":
      return { kind: "good", text: `validation of replica ${replica}: ok` };
    case "mismatch":
      return { kind: "bad", text: `validation of replica ${replica}: it differs in ${differences.length} pages` };
    case "error":
      return {
        kind: "bad",
        text: `validation of replica ${replica} could not be made: ${message ?? "why is unknown"}`,
      };
  }
}

function describeError(error: unknown): string {
  const hint = error instanceof LitestreamError ? error.hint : undefined;
  return hint === undefined ? errorMessage(error) : `${errorMessage(error)}. ${hint}`;
}
