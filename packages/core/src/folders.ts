import { chmodSync, chownSync, closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { FileOwner } from "./file-owner.ts";
import { systemErrorCode } from "./errors.ts";
import { faultPoint } from "./fault-point.ts";

/** Litestream's modes for what has no database to take them from. */
export const defaultFileMode = 0o600;
export const defaultDirectoryMode = 0o700;

/**
 * Makes the names in a folder durable: needed after a file or folder was created, renamed or removed there. On a file
 * system that knows no such thing there is nothing to do.
 */
export function syncFolder(path: string): void {
  faultPoint(() => ({ kind: "file", operation: "sync folder", path }));
  const fd = openSync(path, "r");
  try {
    whereSupported(() => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Creates `path` and the folders above it that are missing, durably. Folders that exist keep their mode and owner. */
export function makeFolders(path: string, owner?: FileOwner): void {
  if (isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolders(parent, owner);
  faultPoint(() => ({ kind: "file", operation: "make folder", path }));
  try {
    mkdirSync(path);
  } catch (error) {
    // Somebody else made it meanwhile: it is theirs. EEXIST is also what a file in its place gives.
    if (systemErrorCode(error) === "EEXIST" && isFolder(path)) return;
    throw error;
  }
  whereSupported(() => chmodSync(path, owner?.directoryMode ?? defaultDirectoryMode));
  if (owner !== undefined) whereSupported(() => chownSync(path, owner.directoryUid, owner.directoryGid));
  syncFolder(parent);
}

/** Not allowed (only root may give files away), or not known to the file system (FAT, some network mounts). */
const unsupportedCodes = new Set(["EPERM", "EINVAL", "ENOTSUP", "ENOSYS"]);

/** Runs a change that only some users or file systems may make, such as of an owner: elsewhere it is left out. */
export function whereSupported(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!unsupportedCodes.has(systemErrorCode(error) ?? "")) throw error;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return false;
    throw error;
  }
}
