import { readFileSync } from "node:fs";
import { errorMessage, isLitestreamError, type ReplicaOptions } from "@litestream/core";
import { expandPath } from "../paths.ts";
import { isUrl, parseReplica, replicaTypeProblem } from "../replica-url.ts";
import { withHint } from "../report.ts";
import { hideSecret } from "../secrets.ts";
import type { ReplicaConfig } from "./config.ts";
import type { ConfigFields, DatabaseFields, ReplicaFields } from "./schema.ts";
import type { Path, YamlFile } from "./yaml-file.ts";

/** What stands above a replica: its database's and the file's settings, which its own go before. */
export interface ReplicaContext {
  readonly file: YamlFile;
  readonly config: ConfigFields;
  readonly database: DatabaseFields;
  /** The map lacks keys that were wrong, and reported. */
  readonly isPartial: boolean;
}

const s3Keys = [
  "bucket",
  "region",
  "endpoint",
  "force-path-style",
  "skip-verify",
  "sign-payload",
  "storage-class",
  "part-size",
  "concurrency",
  "access-key-id",
  "secret-access-key",
  "session-token",
  "sse-customer-key",
  "sse-customer-key-path",
  "sse-kms-key-id",
  "lease",
] as const;

/** The replica that `fields` describe; undefined after adding what is wrong with them to the file's problems. */
export function readReplica(fields: ReplicaFields, path: Path, context: ReplicaContext): ReplicaConfig | undefined {
  const { file } = context;
  const problem = (key: string, message: string): undefined => {
    file.problems.add(file.offset([...path, key]), message);
  };
  for (const key of ["secret-access-key", "session-token", "sse-customer-key"] as const) {
    const secret = fields[key] ?? context.config[key];
    if (secret !== undefined) hideSecret(secret);
  }
  if (fields.path !== undefined && fields.url !== undefined) {
    return problem("url", "a replica has either a path or a url, not both");
  }
  if (fields.path !== undefined && isUrl(fields.path)) {
    return problem("path", `this is a URL; write url: ${fields.path}`);
  }
  if (fields.url !== undefined && !isUrl(fields.url)) {
    return problem("url", `"${fields.url}" is not a URL; write path: ${fields.url}`);
  }
  const place = placeOf(fields, path, context);
  if (place === undefined) return undefined;
  if (fields.type !== undefined && fields.type !== place.type) {
    return problem("type", `the type is "${fields.type}", and the url is that of ${place.type ?? "file"} replicas`);
  }
  const common = commonOptions(fields, context);
  const name = fields.name ?? place.type ?? "file";
  if (place.type === "s3") {
    const s3 = s3Options(place, fields, path, context);
    return s3 === undefined ? undefined : { ...s3, ...common, name };
  }
  if (place.type === "url") return { ...place, ...common, name };
  for (const key of s3Keys) {
    if (fields[key] === undefined) continue;
    const isTypeGiven = fields.type !== undefined || fields.url !== undefined;
    return problem(
      key,
      `"${key}" is of s3 replicas, and this is a folder${isTypeGiven ? "" : "; is type: s3 missing?"}`,
    );
  }
  return { ...place, ...(fields.layout !== undefined && { layout: fields.layout }), ...common, name };
}

/** Where the replica is, by its url, or else by its type and path. */
function placeOf(
  fields: ReplicaFields,
  path: Path,
  { file, config, isPartial }: ReplicaContext,
): ReplicaOptions | undefined {
  const { type, url } = fields;
  if (url !== undefined) {
    try {
      return parseReplica(url);
    } catch (error) {
      if (!isLitestreamError(error)) throw error;
      file.problems.add(file.offset([...path, "url"]), withHint(error.message, error.hint));
      return undefined;
    }
  }
  if (type !== undefined && type !== "file" && type !== "s3") {
    file.problems.add(file.offset([...path, "type"]), replicaTypeProblem(type));
    return undefined;
  }
  if (type === "s3") {
    const bucket = fields.bucket ?? config.bucket;
    if (bucket !== undefined) {
      const prefix = fields.path?.replace(/^\/+|\/+$/g, "");
      return { type, bucket, ...(prefix !== undefined && prefix !== "" && { path: prefix }) };
    }
    if (!isPartial) file.problems.add(file.offset(path), "an s3 replica needs a bucket, or a url: s3://BUCKET/PATH");
    return undefined;
  }
  if (fields.path !== undefined) return { type: "file", path: expandPath(fields.path) };
  if (!isPartial) {
    const hint = fields.bucket === undefined ? "" : "; with a bucket, it needs type: s3";
    file.problems.add(file.offset(path), `a replica needs a path or a url${hint}`);
  }
  return undefined;
}

type Retention = ConfigFields["retention"];
type CommonOptions = Omit<Extract<ReplicaOptions, { type: "url" }>, "type" | "url" | "name">;

function commonOptions(fields: ReplicaFields, { config, database }: ReplicaContext): CommonOptions {
  const duration = (retention: Retention): number | undefined =>
    typeof retention === "number" ? retention : undefined;
  const enabled = (retention: Retention): boolean | undefined =>
    typeof retention === "object" ? retention.enabled : undefined;
  return withoutUndefined({
    syncIntervalMs: fields["sync-interval"] ?? config["sync-interval"],
    retentionMs:
      duration(fields.retention) ??
      database.snapshot?.retention ??
      duration(config.retention) ??
      config.snapshot?.retention,
    retentionCheckIntervalMs: fields["retention-check-interval"] ?? config["retention-check-interval"],
    snapshotIntervalMs:
      fields["snapshot-interval"] ??
      database.snapshot?.interval ??
      config["snapshot-interval"] ??
      config.snapshot?.interval,
    validationIntervalMs: fields["validation-interval"] ?? config["validation-interval"] ?? config.validation?.interval,
    snapshotWalSizeBytesMax: fields["max-restore-wal-size"] ?? config["max-restore-wal-size"],
    shadowWalSizeBytesMax: fields["max-shadow-wal-size"] ?? config["max-shadow-wal-size"],
    isDeleteFree: (enabled(fields.retention) ?? enabled(config.retention)) === false ? true : undefined,
  });
}

type S3Options = Extract<ReplicaOptions, { type: "s3" }>;

/** What the keys say that are of s3 replicas; those of the file are the defaults, and the URL goes before them. */
function s3Options(
  place: S3Options,
  fields: ReplicaFields,
  path: Path,
  context: ReplicaContext,
): S3Options | undefined {
  const { file, config } = context;
  const own = s3Settings(fields, [...path, "sse-customer-key-path"], file);
  const defaults = s3Settings(config, ["sse-customer-key-path"], file);
  if (own === undefined || defaults === undefined) return undefined;
  const options = { ...defaults, ...place, ...own };
  const { accessKeyId, secretAccessKey } = options;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const present = accessKeyId === undefined ? "secret-access-key" : "access-key-id";
    const what = accessKeyId === undefined ? "a secret-access-key without an" : "an access-key-id without a";
    const missing = accessKeyId === undefined ? "access-key-id" : "secret-access-key";
    file.problems.add(file.offset(fields[present] === undefined ? path : [...path, present]), `${what} ${missing}`);
    return undefined;
  }
  return options;
}

function s3Settings(
  settings: Partial<ReplicaFields>,
  keyPath: Path,
  file: YamlFile,
): Partial<Omit<S3Options, "type">> | undefined {
  let sseCustomerKey = settings["sse-customer-key"];
  const sseKeyPath = settings["sse-customer-key-path"];
  if (sseCustomerKey === undefined && sseKeyPath !== undefined) {
    try {
      sseCustomerKey = readFileSync(expandPath(sseKeyPath), "utf8").trim();
      hideSecret(sseCustomerKey);
    } catch (error) {
      file.problems.add(file.offset(keyPath), `cannot read the key: ${errorMessage(error)}`);
      return undefined;
    }
  }
  return withoutUndefined({
    bucket: settings.bucket,
    region: settings.region,
    endpoint: settings.endpoint,
    forcePathStyle: settings["force-path-style"],
    skipVerify: settings["skip-verify"],
    signPayload: settings["sign-payload"],
    storageClass: settings["storage-class"],
    partSizeBytes: settings["part-size"],
    concurrency: settings.concurrency,
    accessKeyId: settings["access-key-id"],
    secretAccessKey: settings["secret-access-key"],
    sessionToken: settings["session-token"],
    sseCustomerKey,
    sseKmsKeyId: settings["sse-kms-key-id"],
    leaseEnabled: settings.lease,
  });
}

/** The type says what holds: a key is there with a value, or not at all. */
export function withoutUndefined<T extends object>(options: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
