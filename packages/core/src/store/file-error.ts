import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";
import { systemHint } from "../system-hint.ts";

/**
 * What a failed system call on a replica's file means: OBJECT_MISSING for a file that is not there, otherwise
 * REPLICA_UNAVAILABLE. A LitestreamError stays as it is.
 * @param operation what was tried, as in "write"
 */
export function fileError(error: unknown, operation: string, path: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const code = systemErrorCode(error);
  if (code === "ENOENT") {
    return new LitestreamError("OBJECT_MISSING", `cannot ${operation} ${path}: it does not exist`, {
      path,
      cause: error,
    });
  }
  const hint = systemHint(error);
  return new LitestreamError("REPLICA_UNAVAILABLE", `cannot ${operation} ${path}: ${errorMessage(error)}`, {
    path,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
