import type { DatabaseStatus } from "@litestream/core";
import type { Watched } from "./observed.ts";

/** How a database stands; undefined if it cannot be had within the time: nobody who looks is to hang, or to fail. */
export async function statusWithin(observed: Watched, timeoutMs: number): Promise<DatabaseStatus | undefined> {
  const { promise: timeout, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, timeoutMs);
  try {
    return await Promise.race([observed.status(), timeout]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
