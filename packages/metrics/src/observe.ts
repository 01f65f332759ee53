import type { LitestreamEvent } from "@litestream/core";
import { Registry } from "prom-client";
import { MetricSet } from "./metric-set.ts";
import type { Observed } from "./observed.ts";

export interface ObserveOptions {
  /** Where the metrics are registered: your application's own registry. A new one where absent. */
  readonly registry?: Registry | undefined;
  /** Serves those of a database under the names of Litestream 0.3.4 too (`litestream_db_…`); off where absent. */
  readonly namesOf034?: boolean | undefined;
}

/** Databases that are observed. Disposing ends it, and takes their series out of the registry. */
export interface Observation extends Disposable {
  readonly registry: Registry;
}

/** One set of metrics for each registry, however many databases are observed in it. */
const metricSets = new WeakMap<Registry, MetricSet>();

/**
 * Keeps Prometheus metrics of a database, or of several:
 *
 *     const { registry } = observe(litestream);
 *     await registry.metrics();
 *
 * Two databases with one path in one registry are taken for one.
 */
export function observe(
  litestream: Observed | readonly Observed[],
  { registry = new Registry(), namesOf034 = false }: ObserveOptions = {},
): Observation {
  const metrics = metricSetOf(registry, namesOf034);
  const databases = "path" in litestream ? [litestream] : litestream;
  const ends = databases.map((database) => {
    metrics.add(database);
    return database.subscribe((event) => metrics.observe(event));
  });
  return {
    registry,
    [Symbol.dispose]: () => {
      for (const end of ends) end();
      for (const { path } of databases) metrics.remove(path);
    },
  };
}

/**
 * Where only events are to be had: the function to give to core as `onEvent`. What has to be asked for at the moment of
 * the scrape (sizes, lag in bytes) is missing then, and lag in seconds is what the events tell.
 */
export function metricsObserver(
  registry: Registry,
  { namesOf034 = false }: Pick<ObserveOptions, "namesOf034"> = {},
): (event: LitestreamEvent) => void {
  const metrics = metricSetOf(registry, namesOf034);
  return (event) => metrics.observe(event);
}

function metricSetOf(registry: Registry, namesOf034: boolean): MetricSet {
  let metrics = metricSets.get(registry);
  if (metrics === undefined) {
    metrics = new MetricSet(registry);
    metricSets.set(registry, metrics);
  }
  if (namesOf034) metrics.addNamesOf034(registry);
  return metrics;
}
