import { LitestreamError, openReplica } from "@litestream/core";
import type { StatusServer, Watched } from "@litestream/metrics";
import type { Config } from "./config/config.ts";
import type { Log } from "./log/log.ts";
import { describeError } from "./report.ts";
import type { Engine } from "./supervisor/engine.ts";
import type { ManagedDatabase } from "./supervisor/managed-database.ts";

export interface ObservabilityOptions {
  readonly config: Config;
  /** Those that run now, or should; asked anew each time, for databases come and go. */
  readonly databases: () => readonly ManagedDatabase[];
  /** What tells another command of the same configuration file; undefined where there is none. */
  readonly configArguments: readonly string[] | undefined;
  readonly log: Log;
}

/** What watches replication from outside: metrics, the status page, the heartbeat. Disposing ends it. */
export interface Observability extends AsyncDisposable {
  /** Is told of each database before its replication starts, and so may see all of its events. */
  attach(engine: Engine): void;
}

/**
 * Starts what the configuration asks for; undefined where it asks for nothing, and then nothing of it is loaded.
 * @throws LitestreamError CONFIG_INVALID when `addr` is no address
 */
export async function startObservability({
  config,
  databases,
  configArguments,
  log,
}: ObservabilityOptions): Promise<Observability | undefined> {
  const { addr, addrToken, lagLimitMs, heartbeat } = config;
  if (addr === undefined && heartbeat === undefined) return undefined;
  const { collectProcessMetrics, Heartbeat, observe, parseAddress, Registry, serve } =
    await import("@litestream/metrics");
  await using cleanUp = new AsyncDisposableStack();
  const registry = new Registry();
  collectProcessMetrics(registry);
  const observations = new Map<string, DisposableStack>();
  /** One that was taken out of the configuration is no longer told of. */
  const current = (): readonly Watched[] => {
    const found = databases();
    const paths = new Set(found.map(({ path }) => path));
    for (const [path, observation] of observations) {
      if (paths.has(path)) continue;
      observation.dispose();
      observations.delete(path);
    }
    return found.map((database) => watched(database, configArguments));
  };
  let server: StatusServer | undefined;
  if (addr !== undefined) {
    parseAddress(addr);
    try {
      server = cleanUp.use(await serve({ addr, databases: current, registry, token: addrToken, lagLimitMs }));
      log.info(`serving status and metrics at ${server.url}${server.isLoopback ? ", to this machine only" : ""}`);
      if (!server.isLoopback && addrToken === undefined) {
        log.warn(`whoever reaches ${server.url} sees what is replicated, and where to; addr-token keeps others out`);
      }
    } catch (error) {
      // The backup is worth more than to know of it; who scrapes misses it.
      log.error(describeError(error));
    }
  }
  if (heartbeat !== undefined) {
    cleanUp.use(new Heartbeat({ ...heartbeat, databases, onFailure: (message) => log.warn(message) }));
  }
  const resources = cleanUp.move();
  return {
    attach: (engine) => {
      observations.get(engine.path)?.dispose();
      const observation = new DisposableStack();
      observation.use(observe(engine, { registry }));
      if (server !== undefined) observation.defer(engine.subscribe(server.observe));
      observations.set(engine.path, observation);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Also one that could not be started: then its failure is what there is to tell. */
function watched(database: ManagedDatabase, configArguments: readonly string[] | undefined): Watched {
  return {
    path: database.path,
    status: () => database.status(),
    openReplica: (name) => {
      const options = database.config.replicas.find((replica) => replica.name === name);
      if (options === undefined) {
        throw new LitestreamError("CONFIG_INVALID", `${database.path} has no replica ${name}`);
      }
      return openReplica(options);
    },
    restoreArguments: (name) => {
      const replica = database.config.replicas.find((options) => options.name === name);
      // A folder says all there is to say; a bucket has keys and an endpoint, which are in the file.
      if (configArguments === undefined || replica?.type === undefined || replica.type === "file") return undefined;
      return [...configArguments, "-replica", name, database.path];
    },
  };
}
