import * as v from "valibot";
import { durationMsMax, parseDurationMs } from "./duration.ts";

/** Litestream's keys that this version reads and then does nothing about, and what that means. */
export const idleKeys: Readonly<Record<string, string>> = {
  addr: "no metrics are served",
  logging: "the log goes to stderr as text",
  "access-key-id": "it is for s3 replicas",
  "secret-access-key": "it is for s3 replicas",
  retention: "nothing is deleted from the replica",
  "retention-check-interval": "nothing is deleted from the replica",
  "snapshot-interval": "a snapshot is taken once for each generation",
  "validation-interval": "replicas are not validated by themselves",
  "sync-interval": "file replicas are written at once",
};

/** Litestream's keys without which replication would not be what its owner asked for: refused. */
export const refusedKeys: Readonly<Record<string, string>> = {
  exec: "start the application by itself",
  age: "replicas would be stored unencrypted",
  bucket: "use a folder or a file:// URL",
  region: "use a folder or a file:// URL",
  endpoint: "use a folder or a file:// URL",
  "force-path-style": "use a folder or a file:// URL",
  "skip-verify": "use a folder or a file:// URL",
  "account-name": "use a folder or a file:// URL",
  "account-key": "use a folder or a file:// URL",
  host: "use a folder or a file:// URL",
  user: "use a folder or a file:// URL",
  password: "use a folder or a file:// URL",
  "key-path": "use a folder or a file:// URL",
};

const text = v.pipe(v.string("must be text; put it in quotes"), v.nonEmpty("must not be empty"));
const later = v.optional(v.unknown());

const durationMs = v.pipe(
  v.union([v.string(), v.literal(0)], "must be a duration with its unit, such as 500ms, 1s or 1h30m"),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const milliseconds = parseDurationMs(String(dataset.value));
    if (milliseconds !== undefined && milliseconds <= durationMsMax) return milliseconds;
    addIssue({
      message:
        milliseconds === undefined
          ? `"${dataset.value}" is not a duration; write it with its unit, such as 500ms, 1s or 1h30m`
          : `"${dataset.value}" is too long; durations go up to 596h`,
    });
    return NEVER;
  }),
);

const positiveDurationMs = v.pipe(durationMs, v.minValue(1, "must be longer than 0, or nothing would be replicated"));

const count = v.pipe(
  // A number that came out of a variable is text.
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))], "must be a whole number"),
  v.safeInteger("must be a whole number"),
  v.minValue(0, "must not be negative"),
);

export const replicaSchema = v.strictObject(
  {
    type: v.optional(text),
    name: v.optional(text),
    path: v.optional(text),
    url: v.optional(text),
    retention: later,
    "retention-check-interval": later,
    "sync-interval": later,
    "snapshot-interval": later,
    "validation-interval": later,
    "access-key-id": later,
    "secret-access-key": later,
    region: later,
    bucket: later,
    endpoint: later,
    "force-path-style": later,
    "skip-verify": later,
    "account-name": later,
    "account-key": later,
    host: later,
    user: later,
    password: later,
    "key-path": later,
    age: later,
  },
  "must be a replica: a map with a path or a url",
);

export const databaseSchema = v.strictObject(
  {
    path: text,
    "meta-path": v.optional(text),
    "monitor-interval": v.optional(positiveDurationMs),
    "checkpoint-interval": v.optional(durationMs),
    "min-checkpoint-page-count": v.optional(v.pipe(count, v.minValue(1, "must be 1 or more"))),
    "max-checkpoint-page-count": v.optional(count),
    "busy-timeout": v.optional(durationMs),
    replicas: v.pipe(v.array(replicaSchema, "must be a list of replicas"), v.minLength(1, "lists no replica")),
  },
  "must be a database: a map with a path and replicas",
);

export const configSchema = v.strictObject(
  {
    dbs: v.pipe(v.array(databaseSchema, "must be a list of databases"), v.minLength(1, "lists no database")),
    addr: later,
    logging: later,
    exec: later,
    "access-key-id": later,
    "secret-access-key": later,
  },
  "must be a map with the key dbs",
);
