import { LitestreamError } from "./errors.ts";

/** @throws LitestreamError ABORTED once `signal` was given, with its reason as the cause. */
export function throwIfAborted(signal: AbortSignal | undefined, operation: string): void {
  if (signal?.aborted === true) throw aborted(signal, operation);
}

/**
 * Waits for `work` until `signal` is given; the work itself goes on, and how it ends is nobody's concern then.
 * @throws LitestreamError ABORTED
 */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  operation: string,
): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(aborted(signal, operation));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** What is thrown once `signal` was given. */
export function aborted(signal: AbortSignal | undefined, operation: string): LitestreamError {
  return new LitestreamError("ABORTED", `${operation} was interrupted`, { cause: signal?.reason });
}
