import { expandPath } from "./paths.ts";

/** Where a replica argument or `url` points, or why it cannot be used. */
export type ReplicaLocation =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: string };

const laterTypes: ReadonlySet<string> = new Set(["s3", "abs", "gcs", "gs", "sftp", "nats", "oss", "webdav", "webdavs"]);

/** What is wrong with a replica type (or URL scheme) other than `file`. */
export function replicaTypeProblem(type: string): string {
  return laterTypes.has(type)
    ? `${type} replicas are not in this version; use a folder or a file:// URL`
    : `unknown replica type "${type}"; this version knows file`;
}

export function isUrl(text: string): boolean {
  return /^\w+:\/\//.test(text);
}

/**
 * The folder that a plain path or a `file://` URL names. As in Litestream, what follows `file://` is a path and not
 * percent-decoded; other than there, a host is refused, since `file://backups/app` is nearly always a lost slash.
 */
export function parseReplicaLocation(text: string): ReplicaLocation {
  if (text === "") return { ok: false, reason: "the replica's path is empty" };
  const [, scheme, rest] = /^(\w+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) {
    if (text.startsWith("file:")) return { ok: false, reason: `a file URL begins with file:///: "${text}"` };
    return { ok: true, path: expandPath(text) };
  }
  if (scheme !== "file") return { ok: false, reason: replicaTypeProblem(scheme) };
  const path = rest.startsWith("localhost/") ? rest.slice("localhost".length) : rest;
  if (!path.startsWith("/")) {
    return { ok: false, reason: `"${text}" names a host; write file:///${path || "PATH"} (three slashes) for a path` };
  }
  return { ok: true, path: expandPath(path) };
}
