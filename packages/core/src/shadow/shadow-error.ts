import { errorMessage, LitestreamError } from "../errors.ts";
import { systemHint } from "../system-hint.ts";

/**
 * What a failed system call on a file of the meta directory means: SHADOW_UNAVAILABLE. A LitestreamError stays so.
 * @param operation what was tried, as in "write"
 */
export function shadowError(error: unknown, operation: string, path: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const hint = systemHint(error);
  return new LitestreamError("SHADOW_UNAVAILABLE", `cannot ${operation} ${path}: ${errorMessage(error)}`, {
    path,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Runs `work` on a file of the meta directory. @throws LitestreamError SHADOW_UNAVAILABLE */
export function guardShadow<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw shadowError(error, operation, path);
  }
}
