import { formatPosition } from "@litestream/core";
import type { DatabaseConfig } from "./config/config.ts";
import type { Log } from "./log/log.ts";
import { describeError } from "./report.ts";
import type { Engine } from "./supervisor/engine.ts";
import type { Prepare } from "./supervisor/managed-database.ts";

export interface OnceOptions {
  readonly databases: readonly DatabaseConfig[];
  /** With an engine that does nothing by itself. */
  readonly createEngine: (config: DatabaseConfig) => Engine;
  readonly prepare: Prepare;
  readonly log: Log;
  readonly forceSnapshot: boolean;
  readonly enforceRetention: boolean;
  readonly signal: AbortSignal;
}

/** Replicates each database once, one after the other. False when one could not be; the log says which, and why. */
export async function replicateOnce(options: OnceOptions): Promise<boolean> {
  let complete = true;
  for (const config of options.databases) {
    try {
      await replicateDatabaseOnce(config, options);
    } catch (error) {
      complete = false;
      options.log.error(`not replicated: ${describeError(error)}`, config.path);
      if (options.signal.aborted) break;
    }
  }
  return complete;
}

async function replicateDatabaseOnce(config: DatabaseConfig, options: OnceOptions): Promise<void> {
  const { log, signal } = options;
  await options.prepare(config, signal);
  const engine = options.createEngine(config);
  const onExit = (): void => engine.closeNow();
  process.once("exit", onExit);
  try {
    const startedAtMs = performance.now();
    await engine.start({ signal });
    const position = formatPosition(await engine.sync({ signal }));
    if (options.forceSnapshot) await engine.snapshot({ signal });
    if (options.enforceRetention) await engine.enforceRetention({ signal });
    const durationMs = Math.round(performance.now() - startedAtMs);
    log.info(`every replica is at ${position}`, config.path, { position, duration_ms: durationMs });
  } finally {
    await engine.stop().catch(() => undefined);
    engine.closeNow();
    process.off("exit", onExit);
  }
}
