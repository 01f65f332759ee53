import { LitestreamError, type ReplicaOptions } from "@litestream/core";
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
 * The replica that an argument or a `url` names: a plain path, or a URL. As in Litestream, what follows `file://` is a
 * path and not percent-decoded; other than there, a host is refused, since `file://backups/app` is nearly always a
 * lost slash.
 * @throws LitestreamError CONFIG_INVALID
 */
export function parseReplica(text: string): ReplicaOptions {
  if (text === "") throw invalid("the replica's path is empty");
  const [, scheme, rest] = /^([\w+.-]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) {
    if (text.startsWith("file:")) throw invalid(`a file URL begins with file:///: "${text}"`);
    return { type: "file", path: expandPath(text) };
  }
  if (scheme !== "file") throw invalid(replicaTypeProblem(scheme));
  const path = rest.startsWith("localhost/") ? rest.slice("localhost".length) : rest;
  if (!path.startsWith("/")) {
    throw invalid(`"${text}" names a host; write file:///${path || "PATH"} (three slashes) for a path`);
  }
  return { type: "file", path: expandPath(path) };
}

function invalid(why: string): LitestreamError {
  return new LitestreamError("CONFIG_INVALID", why);
}
