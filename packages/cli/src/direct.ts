import { Litestream, type LitestreamEvent } from "@litestream/core";
import type { DatabaseConfig } from "./config/config.ts";
import type { Engine } from "./supervisor/engine.ts";

/**
 * Does one piece of work on a database that nobody replicates now, and closes it however the process ends.
 * @throws LitestreamError DATABASE_IN_USE when somebody does, DATABASE_MISSING, and what the work throws
 */
export async function withEngine<T>(
  config: DatabaseConfig,
  work: (engine: Engine) => Promise<T>,
  signal: AbortSignal,
  onEvent?: (event: LitestreamEvent) => void,
): Promise<T> {
  const engine = new Litestream({ ...config, engine: "inline", monitorEnabled: false, onEvent });
  const closeNow = (): void => engine.closeNow();
  process.once("exit", closeNow);
  try {
    await engine.start({ signal });
    return await work(engine);
  } finally {
    await engine.stop().catch(() => undefined);
    engine.closeNow();
    process.off("exit", closeNow);
  }
}
