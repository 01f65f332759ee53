import { errorMessage, isLitestreamError, type LitestreamEvent, type ReplicaReader } from "@litestream/core";
import type { Watched } from "../observed.ts";
import { Inventory } from "../restorable/inventory.ts";
import { type Answer, json } from "./answer.ts";
import type { DatabaseDetail, FailureDocument, ReplicaHistory, RestorableDocument } from "./detail-documents.ts";
import { EventLog } from "./event-log.ts";
import { LagHistory } from "./history.ts";
import { restorePointAt } from "./restore-point.ts";
import type { StatusDocument } from "./status-document.ts";

/** Twice in each step of the history, so that a timer that is late leaves no hole in it. */
const sampleMs = 2500;
/** What is shown of a store may be so old: a page that is clicked on again and again lists it no more often. */
const listingAgeMsMax = 5000;
/** Plans read listings and a few bytes of objects; more than these at a time wait for nobody. */
const plansMax = 2;

interface AskedReplica {
  readonly path: string;
  readonly name: string;
  readonly open: () => ReplicaReader;
  readonly arguments: readonly string[] | undefined;
}

/** What a page shows of one database when it is opened: its last hours, what happened, and what can be restored. */
export class Details implements Disposable {
  readonly #databases: () => readonly Watched[];
  readonly #document: () => Promise<StatusDocument>;
  readonly #events = new EventLog();
  /** By path and replica. */
  readonly #histories = new Map<string, Map<string, LagHistory>>();
  readonly #inventory = new Inventory();
  readonly #timer: ReturnType<typeof setInterval>;
  #plans = 0;

  constructor(databases: () => readonly Watched[], document: () => Promise<StatusDocument>) {
    this.#databases = databases;
    this.#document = document;
    this.#timer = setInterval(() => void this.#sample().catch(() => undefined), sampleMs);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  observe(event: LitestreamEvent): void {
    this.#events.observe(event);
  }

  /** `/database.json?path=PATH`: the lag of its replicas over the last hours, and what happened. */
  database(query: URLSearchParams): Answer {
    const path = query.get("path") ?? "";
    if (this.#find(path) === undefined) return notFound(path);
    const histories = [...(this.#histories.get(path) ?? [])];
    const nowMs = Date.now();
    const replicas = histories.map(([name, history]): ReplicaHistory => ({ name, series: history.series(nowMs) }));
    const detail: DatabaseDetail = { atMs: nowMs, replicas, events: this.#events.of(path) };
    return json(200, detail);
  }

  /** `/restorable.json?path=PATH&replica=NAME`: which times can be restored. */
  async restorable(query: URLSearchParams): Promise<Answer> {
    const found = await this.#replica(query);
    if (found === undefined) return notFound(query.get("path") ?? "");
    const { path, name, open } = found;
    return answerOrFailure(async (): Promise<RestorableDocument> => {
      const generations = await this.#inventory.get(path, name, open, listingAgeMsMax);
      return { atMs: Date.now(), generations };
    });
  }

  /** `/restore.json?path=PATH&replica=NAME&at=MILLISECONDS`: the command that restores that moment. */
  async restore(query: URLSearchParams): Promise<Answer> {
    const found = await this.#replica(query);
    if (found === undefined) return notFound(query.get("path") ?? "");
    const atMs = Number(query.get("at") ?? Number.NaN);
    if (!Number.isSafeInteger(atMs) || Number.isNaN(new Date(atMs).getTime())) {
      return failure(400, { error: "at is no time in milliseconds since 1970" });
    }
    if (this.#plans >= plansMax) return failure(503, { error: "others are asking at this moment; ask again" });
    this.#plans++;
    try {
      const { path, open } = found;
      return await answerOrFailure(() =>
        restorePointAt({ dbPath: path, replica: open(), arguments: found.arguments }, atMs),
      );
    } finally {
      this.#plans--;
    }
  }

  /** The replica that is asked for; undefined for one that there is not. */
  async #replica(query: URLSearchParams): Promise<AskedReplica | undefined> {
    const [path, name] = [query.get("path") ?? "", query.get("replica") ?? ""];
    const database = this.#find(path);
    if (database?.openReplica === undefined) return undefined;
    const { databases } = await this.#document();
    const status = databases.find((document) => document.path === path)?.status;
    if (status?.replicas.some((replica) => replica.name === name) !== true) return undefined;
    const open = database.openReplica.bind(database, name);
    return { path, name, open, arguments: database.restoreArguments?.(name) };
  }

  #find(path: string): Watched | undefined {
    return this.#databases().find((database) => database.path === path);
  }

  async #sample(): Promise<void> {
    const { databases, atMs } = await this.#document();
    const paths = new Set(databases.map(({ path }) => path));
    this.#events.keepOnly(paths);
    for (const path of this.#histories.keys()) {
      if (paths.has(path)) continue;
      this.#histories.delete(path);
      this.#inventory.forget(path);
    }
    for (const { path, status } of databases) {
      const histories = this.#histories.get(path) ?? new Map<string, LagHistory>();
      this.#histories.set(path, histories);
      for (const { name, lagMs } of status?.replicas ?? []) {
        const history = histories.get(name) ?? new LagHistory();
        histories.set(name, history);
        if (lagMs !== undefined) history.note(lagMs, atMs);
      }
    }
  }
}

function notFound(path: string): Answer {
  return failure(404, { error: `no database ${path} is replicated here, or what can be restored of it is not known` });
}

/** What a store or a plan has to say is an answer, too. */
async function answerOrFailure(work: () => Promise<object>): Promise<Answer> {
  try {
    return json(200, await work());
  } catch (error) {
    const hint = isLitestreamError(error) ? error.hint : undefined;
    return failure(409, { error: errorMessage(error), ...(hint !== undefined && { hint }) });
  }
}

function failure(status: number, document: FailureDocument): Answer {
  return json(status, document);
}
