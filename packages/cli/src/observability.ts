import type { Config } from "./config/config.ts";
import type { Log } from "./log/log.ts";
import type { Engine } from "./supervisor/engine.ts";

export interface ObservabilityOptions {
  readonly config: Config;
  /** Those that run now; asked anew each time, for databases come and go. */
  readonly engines: () => readonly Engine[];
  readonly log: Log;
}

/** What watches replication from outside: metrics, the status page, the heartbeat. Disposing ends it. */
export interface Observability extends AsyncDisposable {
  /** Is told of each database before its replication starts, and so may see all of its events. */
  attach(engine: Engine): void;
}

/** Starts what the configuration asks for; undefined where it asks for nothing, and then nothing of it is loaded. */
export async function startObservability({ config, log }: ObservabilityOptions): Promise<Observability | undefined> {
  if (config.addr !== undefined) log.warn("addr: metrics are not served in this version");
  if (config.heartbeat !== undefined) log.warn("heartbeat-url: nothing is requested in this version");
  return undefined;
}
