/**
 * Replica URLs, as Litestream 0.3 and 0.5 write them:
 *
 *     s3://BUCKET/PATH
 *     s3://BUCKET.ENDPOINT-HOST/PATH            of a provider that is known, or HOST:PORT, or localhost
 *     s3://BUCKET/PATH?endpoint=…&region=…      with the options below
 *     s3://arn:…:accesspoint/NAME/PATH
 *     file:///PATH                              not percent-decoded, as in Litestream
 *     SCHEME://…                                of a store that was registered
 */
import { LitestreamError } from "../errors.ts";
import type { ReplicaOptions, S3ReplicaOptions } from "../replica-options.ts";
import { registeredSchemes } from "./registry.ts";
import { matchProvider } from "./s3/providers.ts";

/**
 * @param schemes known besides `file` and `s3`: those of registered stores when absent
 * @throws LitestreamError CONFIG_INVALID; a password in the URL is not repeated in it
 */
export function parseReplicaUrl(url: string, schemes: Iterable<string> = registeredSchemes()): ReplicaOptions {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === "file") return { type: "file", path: parseFilePath(url) };
  if (scheme === "s3") return parseS3Url(url);
  if (scheme !== undefined && new Set(schemes).has(scheme)) return { type: "url", url };
  if (scheme === undefined) throw invalid(`not a replica URL: "${url}"`, "Write s3://BUCKET/PATH or file:///PATH.");
  throw invalid(
    `unknown replica type "${scheme}"`,
    `This version knows ${["file", "s3", ...schemes].join(", ")}; write s3://BUCKET/PATH or file:///PATH.`,
  );
}

function parseFilePath(url: string): string {
  const path = url.slice("file://".length).replace(/^localhost(?=\/)/, "");
  if (path.startsWith("/")) return path;
  throw invalid(`"${url}" names a host`, `Write file:///${path || "PATH"} (three slashes) for a path.`);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function parseS3Url(url: string): S3ReplicaOptions {
  const rest = url.slice("s3://".length);
  const [location, query] = splitOnce(rest, "?");
  const arn = /^(arn:[^/]*:accesspoint\/[^/]+)(?:\/(.*))?$/i.exec(location);
  const [authority = "", path = ""] = arn === null ? splitOnce(location, "/") : [arn[1], arn[2]];
  if (authority.includes("@")) {
    throw invalid(
      `s3://…@${authority.slice(authority.lastIndexOf("@") + 1)}: a replica URL must not hold keys`,
      "Give them as access-key-id and secret-access-key, or in the environment.",
    );
  }
  const options: Mutable<S3ReplicaOptions> = {
    type: "s3",
    ...(arn === null ? fromHost(url, authority) : fromArn(authority)),
  };
  const key = cleanPath(decode(url, path));
  if (key !== "") options.path = key;
  if (query !== undefined) applyQuery(options, query);
  if (options.bucket === "") throw invalid(`"${url}" names no bucket`, "Write s3://BUCKET/PATH.");
  return options;
}

function fromArn(arn: string): Pick<S3ReplicaOptions, "bucket" | "region"> {
  const region = arn.split(":")[3];
  return region === undefined || region === "" ? { bucket: arn } : { bucket: arn, region };
}

function fromHost(url: string, authority: string): Omit<S3ReplicaOptions, "type"> {
  const [host, port] = splitOnce(authority, ":");
  if (port !== undefined && !/^\d{1,5}$/.test(port)) {
    throw invalid(`"${url}" has no port "${port}"`, "Write s3://BUCKET.HOST:PORT/PATH.");
  }
  const known = matchProvider(host);
  if (known?.provider.name === "Amazon S3") {
    return known.region === undefined ? { bucket: known.bucket } : { bucket: known.bucket, region: known.region };
  }
  if (known !== undefined) {
    const { provider, bucket, endpointHost, region = provider.region } = known;
    const endpoint = `https://${endpointHost}${port === undefined ? "" : `:${port}`}`;
    return { bucket, endpoint, region, forcePathStyle: provider.forcePathStyle };
  }
  // Litestream's way to name a server on this machine, or by its port.
  if (port !== undefined || /(^|\.)localhost$/.test(host)) {
    const [bucket, server] = splitOnce(host, ".");
    if (server === undefined) throw invalid(`"${url}" names no bucket`, "Write s3://BUCKET.HOST:PORT/PATH.");
    const endpoint = `http://${server}${port === undefined ? "" : `:${port}`}`;
    return { bucket, endpoint, region: "us-east-1", forcePathStyle: true };
  }
  return { bucket: host };
}

const queryOptions: Readonly<Record<string, (options: Mutable<S3ReplicaOptions>, value: string, key: string) => void>> =
  {
    endpoint(options, value) {
      options.endpoint = withScheme(value);
      options.forcePathStyle ??= true;
    },
    region(options, value) {
      options.region = value;
    },
    "force-path-style"(options, value, key) {
      options.forcePathStyle = booleanOf(value, key);
    },
    "skip-verify"(options, value, key) {
      options.skipVerify = booleanOf(value, key);
    },
    "sign-payload"(options, value, key) {
      options.signPayload = booleanOf(value, key);
    },
    "require-content-md5"(_options, value, key) {
      // What is uploaded is always verified, by what the provider knows.
      booleanOf(value, key);
    },
    "part-size"(options, value, key) {
      options.partSizeBytes = wholeNumberOf(value, key);
    },
    concurrency(options, value, key) {
      options.concurrency = wholeNumberOf(value, key);
    },
    "storage-class"(options, value) {
      options.storageClass = value;
    },
    "sse-kms-key-id"(options, value) {
      options.sseKmsKeyId = value;
    },
  };

/** A URL is shown to people, and so never holds these. */
const secretKeys = new Set(["access-key-id", "secret-access-key", "session-token", "sse-customer-key"]);

function applyQuery(options: Mutable<S3ReplicaOptions>, query: string): void {
  for (const [name, value] of new URLSearchParams(query)) {
    const key = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (secretKeys.has(key)) {
      throw invalid(`a replica URL must not hold ${key}`, "Give it as an option, or in the environment.");
    }
    const apply = Object.hasOwn(queryOptions, key) ? queryOptions[key] : undefined;
    if (apply === undefined) {
      throw invalid(`a replica URL knows no "${name}"`, `It knows ${Object.keys(queryOptions).join(", ")}.`);
    }
    if (value !== "") apply(options, value, name);
  }
}

/** An endpoint as a URL: http for this machine and private networks, https for all others, as in Litestream. */
export function withScheme(endpoint: string): string {
  if (/^https?:\/\//i.test(endpoint)) return endpoint;
  return `${isPrivateHost(endpoint.replace(/:\d+(?=$|\/).*$/, "")) ? "http" : "https"}://${endpoint}`;
}

/** True for this machine and for private networks. */
export function isPrivateHost(host: string): boolean {
  return (
    /^(?:localhost|.*\.localhost|.*\.local|\[::1\]|::1)$/i.test(host) ||
    /^(?:127|10)(?:\.\d{1,3}){3}$/.test(host) ||
    /^192\.168(?:\.\d{1,3}){2}$/.test(host) ||
    /^172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2}$/.test(host)
  );
}

function booleanOf(value: string, key: string): boolean {
  if (/^(?:true|1|t|yes)$/i.test(value)) return true;
  if (/^(?:false|0|f|no)$/i.test(value)) return false;
  throw invalid(`${key} of a replica URL is "${value}"`, "Write true or false.");
}

function wholeNumberOf(value: string, key: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw invalid(`${key} of a replica URL is "${value}"`, "Write a whole number above 0.");
}

function decode(url: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw invalid(`"${url}" has a % that begins no escape`, "Write %25 for a percent sign.", error);
  }
}

/** Without slashes at its ends, doubled ones, `.` and `..`. */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function invalid(why: string, hint: string, cause?: unknown): LitestreamError {
  return new LitestreamError("CONFIG_INVALID", why, { hint, cause });
}
