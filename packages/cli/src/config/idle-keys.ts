/**
 * Keys of Litestream's releases that are read and then do nothing here: what that means, and what to use instead.
 * `mcp-addr` and others are of Litestream 0.5, whose replicas are made of levels of LTX files.
 */
export const idleKeys: Readonly<Record<string, string>> = {
  "mcp-addr": "no MCP server is started; litestream status -json says how replication stands",
  levels: "replicas here are snapshots and WAL, without levels; snapshot-interval bounds what a restore reads",
  "l0-retention": "replicas here have no levels; use retention",
  "l0-retention-check-interval": "replicas here have no levels; use retention-check-interval",
  "verify-compaction": "nothing is compacted here; use validation-interval",
  "truncate-page-n": "use max-checkpoint-page-count",
  "max-sync-wal-bytes": "the WAL is copied in pieces of bounded size by itself",
  "max-sync-ltx-files": "no LTX files are written here",
  "auto-recover": "damaged local state always begins a new generation here, and the log says why",
  "require-content-md5": "what is uploaded is always verified, by what the provider knows",
  "sse-customer-algorithm": "it is always AES256",
  source: "the log never says where in the code a line comes from",
};

/** Keys that belong to destinations which are not here: useless in any replica. */
export const foreignKeys: Readonly<Record<string, string>> = {
  "account-name": "abs",
  "account-key": "abs",
  "sas-token": "abs",
  host: "sftp",
  user: "sftp",
  password: "sftp",
  "key-path": "sftp",
  "concurrent-writes": "sftp",
  "host-key": "sftp",
  "webdav-url": "webdav",
  "webdav-username": "webdav",
  "webdav-password": "webdav",
  jwt: "nats",
  seed: "nats",
  creds: "nats",
  nkey: "nats",
  username: "nats",
  token: "nats",
  tls: "nats",
  "root-cas": "nats",
  "client-cert": "nats",
  "client-key": "nats",
  "max-reconnects": "nats",
  "reconnect-wait": "nats",
  timeout: "nats",
};

/** Keys without which replication would not be what its owner asked for: refused. */
export const refusedKeys: Readonly<Record<string, string>> = {
  age: "replicas would be stored unencrypted; encrypt them by the store (sse-kms-key-id, sse-customer-key) or the disk",
};

/** Keys whose values are never shown. */
export const secretKeys: ReadonlySet<string> = new Set([
  "secret-access-key",
  "session-token",
  "sse-customer-key",
  "account-key",
  "sas-token",
  "password",
  "webdav-password",
  "jwt",
  "seed",
  "nkey",
  "token",
  "addr-token",
]);
