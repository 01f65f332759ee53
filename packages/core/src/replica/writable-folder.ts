import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { LitestreamError, systemErrorCode } from "../errors.ts";

/**
 * Looks whether a replica's folder is there or can be created, and can be written; changes nothing.
 * @throws LitestreamError REPLICA_UNAVAILABLE
 */
export function requireWritableFolder(location: string): void {
  const unavailable = (why: string, hint: string, cause?: unknown): LitestreamError =>
    new LitestreamError("REPLICA_UNAVAILABLE", `cannot replicate to ${location}: ${why}`, {
      path: location,
      hint,
      cause,
    });
  const parent = dirname(location);
  const folder = kindOf(location) === "nothing" ? parent : location;
  const kind = kindOf(folder);
  if (kind === "nothing") {
    throw unavailable(`${parent} does not exist`, "Create that folder, or mount the disk it belongs to.");
  }
  if (kind === "file") throw unavailable("there is a file at or above it", "Name a folder.");
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (systemErrorCode(error) === "EROFS") {
      throw unavailable("the file system is read-only", "Mount it writable, or name another folder.", error);
    }
    throw unavailable("the folder cannot be written", "Give its user permission, or name another folder.", error);
  }
}

function kindOf(path: string): "folder" | "file" | "nothing" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    // A file stands where a folder above it would have to be.
    if (systemErrorCode(error) === "ENOTDIR") return "file";
    return "nothing";
  }
}
