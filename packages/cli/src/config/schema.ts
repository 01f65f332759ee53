import * as v from "valibot";
import { foreignKeys, idleKeys, refusedKeys } from "./idle-keys.ts";
import {
  boolean,
  count,
  durationMs,
  durationMsFrom,
  longDurationMs,
  longDurationMsFrom,
  oneOf,
  permissions,
  sizeBytes,
  text,
} from "./values.ts";

/**
 * The shape of a configuration file, from which the checks, the nearest keys and the JSON Schema for editors are made.
 * What no shape can say (either `path` or `dir`, nothing twice) is checked by the files beside this one.
 */

function key<const S extends v.GenericSchema>(schema: S, description: string) {
  return v.pipe(v.optional(schema), v.description(description));
}

/** A key that is read and does nothing, or is refused: config-file.ts says so. */
function unused(description: string) {
  return v.pipe(v.optional(v.unknown()), v.metadata({ deprecated: true }), v.description(description));
}

function unusedKeys<const Key extends string>(...keys: readonly Key[]): Record<Key, ReturnType<typeof unused>> {
  const describe = (name: string): string => {
    const foreign = foreignKeys[name];
    return foreign === undefined
      ? `Does nothing here: ${idleKeys[name] ?? refusedKeys[name] ?? ""}`
      : `Of ${foreign} replicas, which are not here.`;
  };
  // Object.fromEntries knows no keys.
  return Object.fromEntries(keys.map((name) => [name, unused(describe(name))])) as Record<
    Key,
    ReturnType<typeof unused>
  >;
}

const never = "must be longer than 0";

const snapshot = v.strictObject(
  {
    interval: key(
      longDurationMsFrom(1, never),
      "A snapshot is taken at least this often: snapshot-interval, as 0.5 writes it.",
    ),
    retention: key(longDurationMsFrom(1, never), "For how long snapshots are kept: retention, as 0.5 writes it."),
  },
  "must be a map with interval and retention",
);

/** What a replica can be told, and the whole file for all replicas that do not say otherwise. */
const replicaSettings = {
  "sync-interval": key(
    durationMsFrom(1, never),
    "Least time between two syncs. 1s for object stores; at once for files.",
  ),
  "retention-check-interval": key(
    longDurationMs,
    "How often is looked for what retention no longer needs: 1h. 0: never.",
  ),
  "snapshot-interval": key(longDurationMs, "A snapshot is taken at least this often. 0: when a generation begins."),
  "validation-interval": key(longDurationMs, "How often a replica is restored aside and compared. 0: never."),
  "max-restore-wal-size": key(sizeBytes, "A snapshot is taken when more WAL than this came since the newest one."),
  "max-shadow-wal-size": key(
    sizeBytes,
    "WAL kept here for a replica that is behind; beyond it, it gets a new snapshot.",
  ),
  region: key(text, "Of an S3 bucket; found out where absent."),
  bucket: key(text, "The S3 bucket."),
  endpoint: key(text, "URL of an S3 server; Amazon's where absent."),
  "force-path-style": key(boolean, "Names the bucket in the URL's path instead of its host."),
  "skip-verify": key(boolean, "Does not check the server's certificate."),
  "sign-payload": key(boolean, "Signs what is uploaded, too; what the provider needs where absent."),
  "storage-class": key(text, "Such as STANDARD_IA; the bucket's default where absent."),
  "part-size": key(sizeBytes, "Least size of a part of a multipart upload, 5MiB or more."),
  concurrency: key(v.pipe(count, v.minValue(1, "must be 1 or more")), "Parts that are uploaded at the same time."),
  "access-key-id": key(text, "Of S3. LITESTREAM_ACCESS_KEY_ID or AWS_ACCESS_KEY_ID where absent."),
  "secret-access-key": key(text, "Of S3. LITESTREAM_SECRET_ACCESS_KEY or AWS_SECRET_ACCESS_KEY where absent."),
  "session-token": key(text, "Of S3, with temporary keys."),
  "sse-customer-key": key(text, "Encryption by S3 with a key of yours: 32 bytes in base64."),
  "sse-customer-key-path": key(text, "File with the sse-customer-key."),
  "sse-kms-key-id": key(text, "Encryption by S3 with a key of its key service."),
  lease: key(boolean, "Two writers of one replica keep each other out, where the store can. true."),
  ...unusedKeys(
    "sse-customer-algorithm",
    "require-content-md5",
    "max-sync-ltx-files",
    "auto-recover",
    "account-name",
    "account-key",
    "sas-token",
    "host",
    "user",
    "password",
    "key-path",
    "concurrent-writes",
    "host-key",
    "webdav-url",
    "webdav-username",
    "webdav-password",
    "jwt",
    "seed",
    "creds",
    "nkey",
    "username",
    "token",
    "tls",
    "root-cas",
    "client-cert",
    "client-key",
    "max-reconnects",
    "reconnect-wait",
    "timeout",
    "age",
  ),
};

const retentionText = "must be a duration such as 24h, or a map with enabled";

const retention = v.union(
  [
    longDurationMsFrom(1, never),
    v.strictObject({ enabled: key(boolean, "false: nothing is ever deleted from replicas.") }, retentionText),
  ],
  retentionText,
);

export const replicaSchema = v.strictObject(
  {
    type: key(text, "file or s3; follows from the url where absent."),
    name: key(text, "Unique among the replicas of a database; the type where absent."),
    path: key(text, "A folder; of an s3 replica, what its keys begin with."),
    url: key(text, "file:///FOLDER or s3://BUCKET/PATH."),
    layout: key(oneOf(["whole", "segments"]), "Of a file replica: as Litestream 0.3.4 writes it (whole), or 0.3.13."),
    retention: key(retention, "For how long snapshots, and the WAL from the earliest of them on, are kept: 24h."),
    ...replicaSettings,
  },
  "must be a replica: a map with a path or a url",
);

export const databaseSchema = v.strictObject(
  {
    path: key(text, "The database file."),
    dir: key(text, "A folder of databases, instead of a path."),
    pattern: key(text, "Which files of dir are databases, by their names: *.db"),
    recursive: key(boolean, "Looks into the folders of dir, too."),
    watch: key(boolean, "Follows what is put into dir and taken out."),
    "meta-path": key(text, "Folder for the shadow WAL; .NAME-litestream beside the database where absent."),
    "meta-dir": key(text, "With dir: the folder of all their meta-paths."),
    "monitor-interval": key(
      durationMsFrom(1, "must be longer than 0, or nothing would be replicated"),
      "Longest time between two looks at the WAL, which changes do not wait for: 1s.",
    ),
    "checkpoint-interval": key(durationMs, "Longest time between checkpoints: 1m. 0: never."),
    "min-checkpoint-page-count": key(
      v.pipe(count, v.minValue(1, "must be 1 or more")),
      "Pages in the WAL at which a checkpoint is tried: 1000.",
    ),
    "max-checkpoint-page-count": key(count, "Pages in the WAL at which a checkpoint is forced: 10000. 0: never."),
    "busy-timeout": key(durationMs, "How long SQLite's locks are waited for: 1s."),
    "restore-if-db-not-exists": key(boolean, "Restores a database that is not there when replication starts."),
    snapshot: key(snapshot, "snapshot-interval and retention of its replicas, as 0.5 writes them."),
    ...unusedKeys("truncate-page-n", "max-sync-wal-bytes"),
    replica: key(replicaSchema, "Where it is replicated to."),
    replicas: key(
      v.pipe(v.array(replicaSchema, "must be a list of replicas"), v.minLength(1, "lists no replica")),
      "Where it is replicated to, if to more than one place.",
    ),
  },
  "must be a database: a map with a path and a replica",
);

export const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

const logging = v.strictObject(
  {
    level: key(oneOf([...logLevels, "warning"]), "The least level that is logged: trace, debug, info, warn or error."),
    type: key(oneOf(["text", "json", "pretty"]), "text (default), json or pretty."),
    stderr: key(boolean, "false: the log goes to standard output."),
    ...unusedKeys("source"),
  },
  "must be a map with level and type",
);

const socket = v.strictObject(
  {
    enabled: key(boolean, "Listens for litestream status, sync, snapshot, validate, stop and start."),
    path: key(text, "Of the socket: /var/run/litestream.sock."),
    permissions: key(permissions, "Of the socket's file: 0600, its owner only."),
  },
  "must be a map with enabled and path",
);

export const configSchema = v.strictObject(
  {
    dbs: v.pipe(v.array(databaseSchema, "must be a list of databases"), v.description("The databases.")),
    addr: key(text, "Address of metrics and the status page: :9090."),
    "addr-token": key(text, "Who asks at addr must send it as Authorization: Bearer TOKEN."),
    "lag-limit": key(durationMsFrom(1, never), "A replica further behind makes /healthz of addr answer 503: 1m."),
    exec: key(text, "A program to run; ends with it."),
    logging: key(logging, "The log."),
    socket: key(socket, "The control socket."),
    "shutdown-sync-timeout": key(durationMs, "How long the last sync may take: 30s."),
    "shutdown-sync-interval": key(durationMsFrom(1, never), "Time between tries of the last sync: 500ms."),
    "heartbeat-url": key(
      v.pipe(text, v.regex(/^https?:\/\/\S+$|\$/, "must be a URL of http or https")),
      "Is requested while every replica is up to date.",
    ),
    "heartbeat-interval": key(
      durationMsFrom(60_000, "must be 1m or longer"),
      "Time between requests of the heartbeat-url: 5m.",
    ),
    snapshot: key(snapshot, "snapshot-interval and retention of all replicas, as 0.5 writes them."),
    retention: key(
      retention,
      "For how long snapshots, and the WAL from the earliest on, are kept: 24h; or enabled: false.",
    ),
    validation: key(
      v.strictObject(
        { interval: key(longDurationMs, "validation-interval, as 0.5 writes it.") },
        "must be a map with interval",
      ),
      "Validation of all replicas, as 0.5 writes it.",
    ),
    ...replicaSettings,
    ...unusedKeys("mcp-addr", "levels", "l0-retention", "l0-retention-check-interval", "verify-compaction"),
  },
  "must be a map with the key dbs",
);

export type ConfigFields = v.InferOutput<typeof configSchema>;
export type DatabaseFields = v.InferOutput<typeof databaseSchema>;
export type ReplicaFields = v.InferOutput<typeof replicaSchema>;
