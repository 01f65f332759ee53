import type { LitestreamEvent } from "@litestream/core";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { DatabaseTally } from "./database-tally.ts";
import { allDefinitions, type Definition, definitions, definitionsOf034, type MetricKey } from "./names.ts";
import type { Observed } from "./observed.ts";
import { OperationTally } from "./operation-tally.ts";
import { Inventory } from "./restorable/inventory.ts";
import { sampleDatabase, sampleRestorable, type SetSample } from "./sample-database.ts";
import { statusWithin } from "./status-within.ts";

/** A database that cannot say within this time how it stands is scraped by what its events told. */
const statusTimeoutMs = 2000;

interface ObservedDatabase {
  readonly tally: DatabaseTally;
  /** Undefined where only its events are seen. */
  readonly observed: Observed | undefined;
}

type SampledMetric = Counter | Gauge;

/**
 * The metrics of all databases that are observed in one registry. They are brought up to date when they are scraped,
 * all at once: so they belong together, and lag grows while nothing happens.
 */
export class MetricSet {
  readonly #databases = new Map<string, ObservedDatabase>();
  readonly #operations = new OperationTally();
  readonly #inventory = new Inventory();
  /** Two for those that 0.3.4 has under another name. */
  readonly #sampled = new Map<MetricKey, SampledMetric[]>();
  readonly #writeLockSeconds: Histogram;
  readonly #operationSeconds: Histogram;
  #refreshing: Promise<void> | undefined;

  constructor(registry: Registry) {
    for (const [key, definition] of allDefinitions()) {
      if (definition.type !== "histogram") this.#addSampled(key, definition, registry);
    }
    this.#writeLockSeconds = newHistogram(definitions.writeLockSeconds, registry);
    this.#operationSeconds = newHistogram(definitions.replicaOperationDurationSeconds, registry);
  }

  /** Adds the names of 0.3.4 to those of later releases. */
  addNamesOf034(registry: Registry): void {
    for (const [key, definition] of definitionsOf034()) {
      if (this.#sampled.get(key)?.length === 1) this.#addSampled(key, definition, registry);
    }
  }

  add(observed: Observed): void {
    const tally = this.#databases.get(observed.path)?.tally ?? new DatabaseTally(observed.path, Date.now());
    this.#databases.set(observed.path, { tally, observed });
  }

  remove(path: string): void {
    this.#databases.delete(path);
    this.#inventory.forget(path);
    this.#writeLockSeconds.remove({ db: path });
  }

  observe(event: LitestreamEvent): void {
    let database = this.#databases.get(event.db);
    if (database === undefined) {
      database = { tally: new DatabaseTally(event.db, Date.now()), observed: undefined };
      this.#databases.set(event.db, database);
    }
    if (event.type === "replica-operation") {
      this.#operations.observe(event);
      const { replicaType, operation, durationMs } = event;
      this.#operationSeconds.observe({ replica_type: replicaType, operation }, durationMs / 1000);
      return;
    }
    database.tally.observe(event);
    if (changesReplica(event)) this.#inventory.changed(event.db);
    if (event.type === "checkpoint" && event.writeLockMs > 0) {
      this.#writeLockSeconds.observe({ db: event.db }, event.writeLockMs / 1000);
    }
  }

  #addSampled(key: MetricKey, { type, name, help, labels }: Definition, registry: Registry): void {
    const configuration = {
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      // Each metric of a scrape waits for the same work.
      collect: () => this.#refresh(),
    };
    const metric = type === "counter" ? new Counter(configuration) : new Gauge(configuration);
    this.#sampled.set(key, [...(this.#sampled.get(key) ?? []), metric]);
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#sample().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #sample(): Promise<void> {
    const databases = [...this.#databases.values()];
    const statuses = await Promise.all(
      databases.map(async ({ observed }) =>
        observed === undefined ? undefined : statusWithin(observed, statusTimeoutMs),
      ),
    );
    for (const metrics of this.#sampled.values()) for (const metric of metrics) metric.reset();
    const set: SetSample = (key, labels, value) => {
      // They were reset, so that adding sets them: a counter of prom-client knows nothing else.
      for (const metric of this.#sampled.get(key) ?? []) metric.inc(labels, value);
    };
    const nowMs = Date.now();
    for (const [index, { tally, observed }] of databases.entries()) {
      const status = statuses[index];
      sampleDatabase(tally, status, nowMs, set);
      const { path } = tally;
      const openReplica = observed?.openReplica?.bind(observed);
      if (status === undefined || openReplica === undefined) continue;
      for (const replica of status.replicas) {
        const generations = this.#inventory.peek(path, replica.name, () => openReplica(replica.name));
        if (generations !== undefined) sampleRestorable(path, replica, generations, set);
      }
    }
    const replicas = statuses.flatMap((status) => status?.replicas ?? []);
    for (const type of new Set(replicas.map(({ type }) => type))) this.#operations.beginAtZero(type);
    this.#operations.sample(set);
  }
}

function newHistogram({ name, help, labels, buckets = [] }: Definition, registry: Registry): Histogram {
  return new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [registry] });
}

/** What can be restored is more than before, or less, by more than the WAL that goes on. */
function changesReplica(event: LitestreamEvent): boolean {
  return (
    event.type === "snapshot" || event.type === "generation" || (event.type === "retention" && event.isDryRun === false)
  );
}
