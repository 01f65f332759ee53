import { errorMessage, LitestreamError } from "../errors.ts";
import { systemHint } from "../system-hint.ts";

/**
 * Runs `work` on a file of the meta directory.
 * @throws LitestreamError SHADOW_UNAVAILABLE for a system call that failed; a LitestreamError stays as it is
 */
export function guardShadow<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LitestreamError) throw error;
    const hint = systemHint(error);
    throw new LitestreamError("SHADOW_UNAVAILABLE", `cannot ${operation} ${path}: ${errorMessage(error)}`, {
      path,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
