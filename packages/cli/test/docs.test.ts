import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commandEntries } from "../src/commands.ts";
import { configSchema, databaseSchema, replicaSchema } from "../src/config/schema.ts";

const read = (name: string): string => readFileSync(join(import.meta.dirname, "../../../docs", name), "utf8");

/** Flags and keys of the three releases, as their own help and sources name them. */
const releaseFlags = `config no-expand-env h trace exec once force-snapshot enforce-retention log-level
  restore-if-db-not-exists o replica generation index timestamp txid if-db-not-exists if-replica-exists parallelism
  dry-run force f follow-interval integrity-check v json level wait socket timeout verbose`.split(/\s+/);
const releaseKeys = `dbs addr exec access-key-id secret-access-key logging level type stderr source socket enabled path
  permissions snapshot interval retention validation shutdown-sync-timeout shutdown-sync-interval heartbeat-url
  heartbeat-interval levels l0-retention l0-retention-check-interval verify-compaction mcp-addr replicas replica
  meta-path meta-dir dir pattern recursive watch monitor-interval checkpoint-interval min-checkpoint-page-count
  max-checkpoint-page-count truncate-page-n busy-timeout max-sync-wal-bytes restore-if-db-not-exists name url
  retention-check-interval snapshot-interval sync-interval validation-interval region bucket endpoint force-path-style
  skip-verify sign-payload storage-class part-size concurrency sse-customer-key sse-customer-key-path sse-kms-key-id
  sse-customer-algorithm require-content-md5 max-sync-ltx-files auto-recover age account-name account-key sas-token host
  user password key-path host-key concurrent-writes webdav-url webdav-username webdav-password jwt seed creds nkey
  username token tls root-cas client-cert client-key max-reconnects reconnect-wait timeout`.split(/\s+/);

describe("docs/migration-flags.md", () => {
  const document = read("migration-flags.md");

  test("has a line for each flag of the three releases", () => {
    expect(releaseFlags.filter((flag) => !document.includes(`\`-${flag}\``))).toEqual([]);
  });

  test("has a line for each key of the three releases, and the schema knows them all", () => {
    expect(releaseKeys.filter((key) => !document.includes(`\`${key}\``))).toEqual([]);
    const schema = readFileSync(join(import.meta.dirname, "../litestream.schema.json"), "utf8");
    const nested = new Set(["enabled", "interval", "level", "permissions", "source", "stderr"]);
    expect(releaseKeys.filter((key) => !schema.includes(`"${key}": {`) && !nested.has(key))).toEqual([]);
  });
});

test("docs/config.md describes each key that does something", () => {
  const document = read("config.md");
  const keys = [configSchema, databaseSchema, replicaSchema].flatMap(({ entries }) =>
    Object.entries(entries)
      .filter(([, entry]) => !JSON.stringify(entry).includes('"deprecated":true'))
      .map(([key]) => key),
  );
  expect(keys.length).toBeGreaterThan(40);
  expect(keys.filter((key) => !document.includes(`\`${key}\``) && !document.includes(`\`${key} `))).toEqual([]);
});

test("docs/command.md names each command and flag", async () => {
  const document = read("command.md");
  const missing: string[] = [];
  for (const [name, entry] of commandEntries()) {
    if (!new RegExp(`litestream (?:[a-z ]+\\| )*${name}\\b|\\| ${name} `).test(document)) missing.push(name);
    const { flags } = await entry.load();
    for (const [flag, definition] of Object.entries(flags)) {
      const written = definition.type === "boolean" && definition.default === true ? `no-${flag}` : flag;
      if (!new RegExp(`\`-${written}[\` ,]|-${written}\\b`).test(document)) missing.push(`${name} -${written}`);
    }
  }
  expect(missing).toEqual([]);
});
