import { LitestreamError, parseReplicaUrl, type ReplicaOptions } from "@litestream/core";
import { expandPath } from "./paths.ts";

const otherTypes: ReadonlySet<string> = new Set(["abs", "gcs", "gs", "sftp", "nats", "oss", "webdav", "webdavs"]);

/** What is wrong with a replica type (or URL scheme) other than those that are here. */
export function replicaTypeProblem(type: string): string {
  return otherTypes.has(type)
    ? `${type} replicas are not here; this version knows file and s3`
    : `unknown replica type "${type}"; this version knows file and s3`;
}

export function isUrl(text: string): boolean {
  return /^[\w+.-]+:\/\//.test(text);
}

/**
 * The replica that an argument or a `url` names: a folder's path, or a URL as core reads it.
 * @throws LitestreamError CONFIG_INVALID
 */
export function parseReplica(text: string): ReplicaOptions {
  if (text === "") throw invalid("the replica's path is empty");
  const [, scheme] = /^([\w+.-]+):\/\//.exec(text) ?? [];
  if (scheme === undefined) {
    if (text.startsWith("file:")) throw invalid(`a file URL begins with file:///: "${text}"`);
    return { type: "file", path: expandPath(text) };
  }
  if (otherTypes.has(scheme)) throw invalid(replicaTypeProblem(scheme));
  const replica = parseReplicaUrl(text);
  return replica.type === "file" ? { ...replica, path: expandPath(replica.path) } : replica;
}

function invalid(why: string): LitestreamError {
  return new LitestreamError("CONFIG_INVALID", why);
}
