import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { LitestreamError } from "@litestream/core";
import { type Config, defaultConfigPath } from "../../src/config/config.ts";
import { parseConfig, readConfigFile } from "../../src/config/config-file.ts";
import { forgetSecrets } from "../../src/secrets.ts";

const name = "litestream.yml";

afterEach(forgetSecrets);

function parse(text: string, env: Record<string, string> | undefined = {}): Config {
  return parseConfig(text, name, env);
}

function problem(run: () => Config): string {
  try {
    run();
  } catch (error) {
    if (error instanceof LitestreamError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}

const problemIn = (text: string): string => problem(() => parse(text));

describe("a good configuration", () => {
  test("is read with every key", () => {
    const { databases, warnings } = parse(`
dbs:
  - path: /data/app.db
    meta-path: /state/app
    monitor-interval: 500ms
    checkpoint-interval: 1h30m
    min-checkpoint-page-count: 100
    max-checkpoint-page-count: 0
    busy-timeout: 2s
    replicas:
      - path: /backups/app
      - name: second
        type: file
        url: file:///other/app
  - path: relative.db
    replicas: [{ path: ~/b }]
`);
    expect(warnings).toEqual([]);
    expect(databases).toEqual([
      {
        path: "/data/app.db",
        metaPath: "/state/app",
        monitorIntervalMs: 500,
        checkpointIntervalMs: 5_400_000,
        minCheckpointPageCount: 100,
        maxCheckpointPageCount: 0,
        busyTimeoutMs: 2000,
        replicas: [
          { type: "file", name: "file", path: "/backups/app" },
          { type: "file", name: "second", path: "/other/app" },
        ],
      },
      { path: resolve("relative.db"), replicas: [{ type: "file", name: "file", path: join(homedir(), "b") }] },
    ]);
  });

  test("keeps and renews for months and years, which is longer than any timer waits", () => {
    const text = `
dbs:
  - path: /data/app.db
    replica: { path: /backups/app, retention: 8760h, snapshot-interval: 720h, validation-interval: 1000h }
`;
    const [database] = parse(text).databases;
    const hourMs = 3_600_000;
    expect(database && "replicas" in database ? database.replicas : []).toMatchObject([
      { retentionMs: 8760 * hourMs, snapshotIntervalMs: 720 * hourMs, validationIntervalMs: 1000 * hourMs },
    ]);
    expect(problemIn(text.replace("8760h", "900000h"))).toContain("goes up to 876000h");
    expect(problemIn(text.replace("retention: 8760h", "sync-interval: 720h"))).toContain("go up to 596h");
  });

  test("may share settings through anchors and merge keys", () => {
    const { databases } = parse(`
dbs:
  - &first
    path: /data/a.db
    busy-timeout: 3s
    replicas: [{ path: /backups/a }]
  - <<: *first
    path: /data/b.db
    replicas: [{ path: /backups/b }]
`);
    expect(databases.map(({ path, busyTimeoutMs }) => [path, busyTimeoutMs])).toEqual([
      ["/data/a.db", 3000],
      ["/data/b.db", 3000],
    ]);
  });

  test("has variables in its values replaced, also where a number or a duration is wanted", () => {
    const env = { DIR: "/data", PAGES: "200", WAIT: "3s", REPLICA: "file:///backups/a: b # c" };
    const text = `
dbs:
  - path: $DIR/app.db # not $HERE
    min-checkpoint-page-count: $PAGES
    busy-timeout: \${WAIT}
    replicas: [{ url: $REPLICA }]
`;
    const { databases, warnings } = parse(text, env);
    expect(warnings).toEqual([]);
    expect(databases).toEqual([
      {
        path: "/data/app.db",
        minCheckpointPageCount: 200,
        busyTimeoutMs: 3000,
        replicas: [{ type: "file", name: "file", path: "/backups/a: b # c" }],
      },
    ]);
  });

  test("keeps its dollar signs when variables are not to be replaced", () => {
    const { databases } = parseConfig("dbs:\n  - path: /$A/${B}\n    replicas: [{ path: /r }]\n", name, undefined);
    expect(databases[0]?.path).toBe("/$A/${B}");
  });

  test("warns of a variable that is not set", () => {
    const { databases, warnings } = parse("dbs:\n  - path: /data$GONE/app.db\n    replicas: [{ path: /r }]\n");
    expect(databases[0]?.path).toBe("/data/app.db");
    expect(warnings).toEqual(["litestream.yml:2:11: the variable GONE is not set; it was replaced by nothing"]);
  });

  test("warns of each key of Litestream that does nothing here, where it stands", () => {
    const { warnings } = parse(`mcp-addr: ":9090"
dbs:
  - path: /data/app.db
    truncate-page-n: 5
    busy-timeout:
    replicas:
      - path: /backups/app
        auto-recover: true
        sas-token: secret
`);
    expect(warnings.map((line) => line.replace(/;.*/, ""))).toEqual([
      'litestream.yml:1:1: "mcp-addr" does nothing here: no MCP server is started',
      'litestream.yml:4:5: "truncate-page-n" does nothing here: use max-checkpoint-page-count',
      'litestream.yml:5:5: "busy-timeout" has no value',
      'litestream.yml:8:9: "auto-recover" does nothing here: damaged local state always begins a new generation ' +
        "here, and the log says why",
      'litestream.yml:9:9: "sas-token" does nothing here: it is of abs replicas, which are not here',
    ]);
  });

  test("is read with every setting of the file itself", () => {
    const config = parse(`
addr: ":9090"
addr-token: not-for-everyone
lag-limit: 30s
exec: app -port 80
logging: { level: WARNING, type: json, stderr: false }
socket: { enabled: yes, path: /run/l.sock, permissions: 0660 }
shutdown-sync-timeout: 5s
shutdown-sync-interval: 100ms
heartbeat-url: https://beat.example/key
heartbeat-interval: 2m
dbs: [{ path: /data/app.db, replica: { path: /backups/app } }]
`);
    expect(config).toMatchObject({
      addr: ":9090",
      addrToken: "not-for-everyone",
      lagLimitMs: 30_000,
      exec: "app -port 80",
      logging: { level: "warn", type: "json", stream: "stdout" },
      socket: { isEnabled: true, path: "/run/l.sock", mode: 0o660 },
      shutdownSyncTimeoutMs: 5000,
      shutdownSyncIntervalMs: 100,
      heartbeat: { url: "https://beat.example/key", intervalMs: 120_000 },
    });
  });

  test("without any of them has Litestream's defaults", () => {
    const { databases: _, warnings: __, ...rest } = parse("dbs: [{ path: /a, replicas: [{ path: /b }] }]");
    expect(rest).toEqual({
      directories: [],
      logging: { level: "info", type: "text", stream: "stderr" },
      socket: { isEnabled: false, path: "/var/run/litestream.sock", mode: 0o600 },
      shutdownSyncTimeoutMs: 30_000,
      shutdownSyncIntervalMs: 500,
    });
  });

  test("lets a replica's own settings go before its database's, and those before the file's", () => {
    const { databases } = parse(`
retention: 1h
sync-interval: 2s
snapshot: { interval: 3h }
validation: { interval: 4h }
dbs:
  - path: /data/app.db
    snapshot: { interval: 5h, retention: 6h }
    replicas:
      - path: /backups/app
      - name: own
        path: /backups/own
        retention: 7h
        snapshot-interval: 8h
        validation-interval: 9h
        sync-interval: 10s
      - { name: kept, path: /backups/kept, retention: { enabled: false }, max-shadow-wal-size: 1GiB, layout: segments }
`);
    const hour = 3_600_000;
    expect(databases[0]?.replicas).toEqual([
      {
        type: "file",
        name: "file",
        path: "/backups/app",
        syncIntervalMs: 2000,
        retentionMs: 6 * hour,
        snapshotIntervalMs: 5 * hour,
        validationIntervalMs: 4 * hour,
      },
      {
        type: "file",
        name: "own",
        path: "/backups/own",
        syncIntervalMs: 10_000,
        retentionMs: 7 * hour,
        snapshotIntervalMs: 8 * hour,
        validationIntervalMs: 9 * hour,
      },
      {
        type: "file",
        name: "kept",
        path: "/backups/kept",
        layout: "segments",
        syncIntervalMs: 2000,
        retentionMs: 6 * hour,
        snapshotIntervalMs: 5 * hour,
        validationIntervalMs: 4 * hour,
        shadowWalSizeBytesMax: 2 ** 30,
        isDeleteFree: true,
      },
    ]);
  });

  test("describes s3 replicas by keys and by URL, with the file's keys as defaults", () => {
    const { databases } = parse(`
access-key-id: AKID
secret-access-key: secret-of-the-file
dbs:
  - path: /data/app.db
    replicas:
      - { url: "s3://bucket/app", region: eu-west-1 }
      - name: second
        type: s3
        bucket: other
        path: /app/
        endpoint: "http://localhost:9000"
        part-size: 10MB
        lease: off
`);
    expect(databases[0]?.replicas).toEqual([
      {
        type: "s3",
        name: "s3",
        bucket: "bucket",
        path: "app",
        region: "eu-west-1",
        accessKeyId: "AKID",
        secretAccessKey: "secret-of-the-file",
      },
      {
        type: "s3",
        name: "second",
        bucket: "other",
        path: "app",
        endpoint: "http://localhost:9000",
        partSizeBytes: 10_000_000,
        leaseEnabled: false,
        accessKeyId: "AKID",
        secretAccessKey: "secret-of-the-file",
      },
    ]);
  });

  test("takes folders of databases, whose template has everything but their paths", () => {
    const { databases, directories } = parse(`
dbs:
  - dir: /data/tenants
    pattern: "*.db"
    recursive: true
    watch: on
    meta-dir: /state
    busy-timeout: 5s
    replica: { path: /backups/tenants }
`);
    expect(databases).toEqual([]);
    expect(directories).toEqual([
      {
        dir: "/data/tenants",
        pattern: "*.db",
        isRecursive: true,
        isWatched: true,
        metaFolder: "/state",
        metaPrefix: "",
        template: { busyTimeoutMs: 5000, replicas: [{ type: "file", name: "file", path: "/backups/tenants" }] },
      },
    ]);
  });
});

describe("a bad configuration is refused with line and column", () => {
  test.each([
    ["an unknown key at the top", "dsb: []", '1:1: unknown key "dsb"; did you mean "dbs"?'],
    [
      "an unknown key of a database",
      "dbs:\n  - path: /a\n    replcas: []\n",
      '3:5: unknown key "replcas"; did you mean "replicas"?',
    ],
    [
      "an unknown key of a replica",
      "dbs:\n  - path: /a\n    replicas:\n      - pth: /b\n",
      '4:9: unknown key "pth"; did you mean "path"?',
    ],
    ["a word like no key", "zzzzzz: 1", '1:1: unknown key "zzzzzz"; known here: dbs, '],
    ["a database without a path", "dbs:\n  - replicas: [{ path: /b }]\n", '2:5: the key "path" is missing here'],
    ["a database without replicas", "dbs:\n  - path: /a\n", '2:5: the key "replicas" is missing here'],
    ["an empty list of replicas", "dbs:\n  - path: /a\n    replicas: []\n", "3:15: replicas lists no replica"],
    ["replicas that are no list", "dbs:\n  - path: /a\n    replicas: /b\n", "3:15: replicas must be a list"],
    ["a replica that is no map", "dbs:\n  - path: /a\n    replicas: [/b]\n", "3:16: must be a replica"],
    ["an empty list of databases", "dbs: []", "1:6: dbs lists no database"],
    ["databases without a value", "dbs:\n", "1:5: dbs must be a list of databases"],
    ["an empty file", "", "1:1: must be a map with the key dbs"],
    ["a file that is no map", "- a\n", "1:1: must be a map with the key dbs"],
    ["a path that is a number", "dbs: [{ path: 7, replicas: [{ path: /b }] }]", "1:15: path must be text"],
    ["an empty path", 'dbs: [{ path: "", replicas: [{ path: /b }] }]', "1:15: path must not be empty"],
    ["a database that is a URL", "dbs: [{ path: file:///a, replicas: [{ path: /b }] }]", "1:15: a database is a file"],
    ["a duration without a unit", database("busy-timeout: 5"), "3:19: busy-timeout must be a duration with its unit"],
    [
      "a duration in quotes without a unit",
      database('busy-timeout: "5"'),
      "3:19: busy-timeout must be a duration with its unit",
    ],
    ["a negative duration", database("busy-timeout: -5s"), "3:19: busy-timeout must be a duration with its unit"],
    ["a duration beyond timers", database("busy-timeout: 9999h"), '3:19: busy-timeout is too long: "9999h"'],
    ["no time between polls", database("monitor-interval: 0s"), "3:23: monitor-interval must be longer than 0"],
    [
      "a count with a fraction",
      database("max-checkpoint-page-count: 1.5"),
      "3:32: max-checkpoint-page-count must be a",
    ],
    ["a negative count", database("max-checkpoint-page-count: -1"), "3:32: max-checkpoint-page-count must not be neg"],
    ["a count that is text", database("max-checkpoint-page-count: many"), "3:32: max-checkpoint-page-count must be a"],
    ["a minimum of 0 pages", database("min-checkpoint-page-count: 0"), "3:32: min-checkpoint-page-count must be 1"],
    ["a replica with both places", replica("path: /b\n        url: file:///c"), "5:14: a replica has either"],
    ["a replica with no place", replica("name: b"), "4:9: a replica needs a path or a url"],
    ["a URL as a path", replica("path: file:///b"), "4:15: this is a URL; write url: file:///b"],
    ["a path as a URL", replica("url: /b"), '4:14: "/b" is not a URL; write path: /b'],
    ["an sftp URL", replica("url: sftp://host/b"), "4:14: sftp replicas are not here"],
    ["an abs type", replica("type: abs\n        bucket: b"), "4:15: abs replicas are not here"],
    ["an s3 type without a bucket", replica("type: s3\n        path: b"), "4:9: an s3 replica needs a bucket"],
    [
      "a type that the URL is not of",
      replica("type: s3\n        url: file:///b"),
      '4:15: the type is "s3", and the url',
    ],
    ["one key of a pair", replica("url: s3://b/c\n        access-key-id: x"), "5:24: an access-key-id without a"],
    ["an unknown type", replica("type: tape\n        path: /b"), '4:15: unknown replica type "tape"'],
    ["a bucket", replica("path: /b\n        bucket: b"), '5:17: "bucket" is of s3 replicas, and this is a folder'],
    ["encryption", replica("path: /b\n        age: {}"), '5:9: "age" is not here: replicas would be stored'],
    ["one name twice", replica("path: /b\n      - path: /c"), '5:9: a second replica with the name "file"'],
    ["a key twice", "dbs: []\ndbs: []\n", "2:1: Map keys must be unique"],
    ["broken YAML", "dbs: [\n", "2:1: "],
    ["an alias to nothing", "dbs: *nothing\n", "1:6: there is no anchor &nothing"],
  ])("%s", (_, text, message) => {
    expect(problemIn(text)).toStartWith(`${name}:${message}`);
  });

  test.each([
    [
      "a path and a dir",
      "dbs: [{ path: /a, dir: /b, pattern: x, replica: { path: /r } }]",
      "1:19: a database has either",
    ],
    ["a dir without a pattern", "dbs: [{ dir: /b, replica: { path: /r } }]", "1:9: a dir needs a pattern"],
    [
      "a pattern with a folder",
      "dbs: [{ dir: /b, pattern: a/*, replica: { path: /r } }]",
      "1:18: the pattern is matched",
    ],
    ["watch without a dir", "dbs: [{ path: /a, watch: true, replica: { path: /r } }]", '1:19: "watch" goes with dir'],
    [
      "replica and replicas",
      "dbs: [{ path: /a, replica: { path: /r }, replicas: [{ path: /q }] }]",
      "1:19: either replica or replicas",
    ],
    [
      "a database twice",
      "dbs:\n  - { path: /a, replica: { path: /r } }\n  - { path: /a, replica: { path: /q } }",
      "3:13: /a is used twice: as a database in line 2",
    ],
    [
      "a folder for two replicas",
      "dbs:\n  - { path: /a, replica: { path: /r } }\n  - { path: /b, replica: { path: /r } }",
      "3:34: /r is used twice",
    ],
    [
      "checkpoints that are forced before they are tried",
      database("max-checkpoint-page-count: 5"),
      "3:32: checkpoints would be",
    ],
    ["no retention", replica("path: /b\n        retention: 0s"), "5:20: retention must be longer than 0"],
    [
      "a beat that is too fast",
      `heartbeat-interval: 1s\n${database("busy-timeout: 1s")}`,
      "1:21: heartbeat-interval must be 1m",
    ],
    [
      "tries that are further apart than the end",
      `shutdown-sync-interval: 1m\n${database("busy-timeout: 1s")}`,
      "1:25: shutdown-",
    ],
    [
      "an unknown level",
      `logging: { level: inof }\n${database("busy-timeout: 1s")}`,
      '1:19: level must be trace, debug, info, warn, error or warning, not "inof"; did you mean "info"?',
    ],
    [
      "rights that are none",
      `socket: { permissions: rw }\n${database("busy-timeout: 1s")}`,
      "1:24: permissions must be rights",
    ],
    [
      "an unknown key far down",
      `snapshot: { intervall: 1h }\n${database("busy-timeout: 1s")}`,
      '1:13: unknown key "intervall"; did you mean "interval"?',
    ],
    [
      "a key of another level",
      `path: /a\n${database("busy-timeout: 1s")}`,
      '1:1: unknown key "path"; it is a key of a database',
    ],
    [
      "a key that JavaScript has of its own",
      `__proto__: 1\n${database("busy-timeout: 1s")}`,
      '1:1: unknown key "__proto__"',
    ],
  ])("%s", (_, text, message) => {
    const lines = problemIn(text).split("\n");
    expect(lines.filter((line) => line.startsWith(`${name}:${message}`))).toHaveLength(1);
  });

  test("everything at once, in its order", () => {
    const lines = problemIn(`
adr: 5
dbs:
  - path: 1
    bogus: 2
    busy-timeout: 5
    replicas: [{ pth: /r }, 5]
  - path: /b
    replica: { url: /x }
`).split("\n");
    expect(lines.map((line) => /^litestream\.yml:(\d+:\d+): /.exec(line)?.[1])).toEqual([
      "2:1",
      "4:11",
      "5:5",
      "6:19",
      "7:18",
      "7:29",
      "9:21",
    ]);
  });

  test("without what a variable holds, or what a key keeps secret", () => {
    const env = { WAIT: "hunter2hunter2", KEY: "hunter3hunter3" };
    const text = replica("path: /b\n        secret-access-key: [$KEY]\n        sync-interval: $WAIT");
    const message = problem(() => parse(text, env));
    expect(message).toContain('not "$WAIT"');
    expect(message).toContain("secret-access-key must be text");
    expect(message).not.toContain("hunter");
  });
});

describe("readConfigFile", () => {
  test("names a file that is not there, or cannot be read, and the flag", () => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    try {
      const missing = join(folder, "none.yml");
      expect(problem(() => readConfigFile(missing, {}))).toBe(`config file not found: ${missing}`);
      expect(problem(() => readConfigFile(folder, {}))).toStartWith(`cannot read the config file ${folder}: `);
      const file = join(folder, "good.yml");
      writeFileSync(file, "dbs: [{ path: /a, replicas: [{ path: /b }] }]");
      expect(readConfigFile(file, {}).databases).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("defaultConfigPath is LITESTREAM_CONFIG, or Litestream's own", () => {
  expect(defaultConfigPath({})).toBe("/etc/litestream.yml");
  expect(defaultConfigPath({ LITESTREAM_CONFIG: "/x.yml" })).toBe("/x.yml");
});

function database(line: string): string {
  return `dbs:\n  - path: /a\n    ${line}\n    replicas: [{ path: /b }]\n`;
}

function replica(lines: string): string {
  return `dbs:\n  - path: /a\n    replicas:\n      - ${lines}\n`;
}
