import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";

const hints: Readonly<Record<string, string>> = {
  EACCES: "Give the user that runs litestream access to that path.",
  EPERM: "Give the user that runs litestream access to that path.",
  EROFS: "Mount the file system of the replica for writing.",
  ENOSPC: "Free space on the file system of the replica.",
  EDQUOT: "Raise the disk quota of the user that runs litestream, or free space.",
  ENOTDIR: "A file is where a folder belongs: move it away, or name another folder.",
  EISDIR: "A folder is where a file belongs: move it away.",
  EMFILE: "Raise the limit of open files (ulimit -n).",
  ENFILE: "Raise the limit of open files (ulimit -n).",
};

/**
 * What a failed system call on a replica's file means: OBJECT_MISSING for a file that is not there, otherwise
 * REPLICA_UNAVAILABLE. A LitestreamError stays as it is.
 * @param operation what was tried, as in "cannot write"
 */
export function fileError(error: unknown, operation: string, path: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const code = systemErrorCode(error);
  if (code === "ENOENT") {
    return new LitestreamError("OBJECT_MISSING", `${operation} ${path}: it does not exist`, { path, cause: error });
  }
  const hint = code === undefined ? undefined : hints[code];
  return new LitestreamError("REPLICA_UNAVAILABLE", `${operation} ${path}: ${errorMessage(error)}`, {
    path,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
