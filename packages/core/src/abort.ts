import { LitestreamError } from "./errors.ts";

/** @throws LitestreamError ABORTED once `signal` was given, with its reason as the cause. */
export function throwIfAborted(signal: AbortSignal | undefined, operation: string): void {
  if (signal?.aborted !== true) return;
  throw new LitestreamError("ABORTED", `${operation} was interrupted`, { cause: signal.reason });
}
