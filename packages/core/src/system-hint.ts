import { systemErrorCode } from "./errors.ts";

const hints: Readonly<Record<string, string>> = {
  EACCES: "Give the user that runs litestream access to that path.",
  EPERM: "Give the user that runs litestream access to that path.",
  EROFS: "Mount that file system for writing.",
  ENOSPC: "Free space on that file system.",
  EDQUOT: "Raise the disk quota of the user that runs litestream, or free space.",
  ENOTDIR: "A file is where a folder belongs: move it away, or name another folder.",
  EISDIR: "A folder is where a file belongs: move it away.",
  EMFILE: "Raise the limit of open files (ulimit -n).",
  ENFILE: "Raise the limit of open files (ulimit -n).",
  EIO: "Check the disk: the system could not read or write it.",
};

/** What an operator can do about a failed system call; undefined where only the error itself can say more. */
export function systemHint(error: unknown): string | undefined {
  return hints[systemErrorCode(error) ?? ""];
}
