import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { LitestreamError } from "@litestream/core";
import { type Config, defaultConfigPath } from "../../src/config/config.ts";
import { parseConfig, readConfigFile } from "../../src/config/config-file.ts";

const name = "litestream.yml";

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
    const { warnings } = parse(`addr: ":9090"
dbs:
  - path: /data/app.db
    replicas:
      - path: /backups/app
        retention: 48h
        snapshot-interval: 12h
        validation-interval: 6h
`);
    expect(warnings).toEqual([
      'litestream.yml:1:1: "addr" is not in this version: no metrics are served',
      'litestream.yml:6:9: "retention" is not in this version: nothing is deleted from the replica',
      'litestream.yml:7:9: "snapshot-interval" is not in this version: a snapshot is taken once for each generation',
      'litestream.yml:8:9: "validation-interval" is not in this version: replicas are not validated by themselves',
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
    ["a duration in quotes without a unit", database('busy-timeout: "5"'), '3:19: busy-timeout "5" is not a duration'],
    ["a negative duration", database("busy-timeout: -5s"), '3:19: busy-timeout "-5s" is not a duration'],
    ["a duration beyond timers", database("busy-timeout: 9999h"), '3:19: busy-timeout "9999h" is too long'],
    ["no time between polls", database("monitor-interval: 0s"), "3:23: monitor-interval must be longer than 0"],
    [
      "a count with a fraction",
      database("max-checkpoint-page-count: 1.5"),
      "3:32: max-checkpoint-page-count must be a",
    ],
    ["a negative count", database("max-checkpoint-page-count: -1"), "3:32: max-checkpoint-page-count must not be neg"],
    ["a count that is text", database("max-checkpoint-page-count: many"), "3:32: max-checkpoint-page-count must be a"],
    ["a minimum of 0 pages", database("min-checkpoint-page-count: 0"), "3:32: min-checkpoint-page-count must be 1"],
    [
      "a program to start",
      "exec: app\ndbs: [{ path: /a, replicas: [{ path: /b }] }]",
      '1:1: "exec" is not in this version',
    ],
    ["a replica with both places", replica("path: /b\n        url: file:///c"), "5:14: a replica has either"],
    ["a replica with no place", replica("name: b"), "4:9: a replica needs a path or a url"],
    ["a URL as a path", replica("path: file:///b"), "4:15: this is a URL; write url: file:///b"],
    ["a path as a URL", replica("url: /b"), '4:14: "/b" is not a URL; write path: /b'],
    ["an s3 URL", replica("url: s3://bucket/b"), "4:14: s3 replicas are not in this version"],
    ["an s3 type", replica("type: s3\n        bucket: b"), "4:15: s3 replicas are not in this version"],
    ["an unknown type", replica("type: tape\n        path: /b"), '4:15: unknown replica type "tape"'],
    ["a bucket", replica("path: /b\n        bucket: b"), '5:9: "bucket" is not in this version'],
    ["encryption", replica("path: /b\n        age: {}"), '5:9: "age" is not in this version: replicas would be stored'],
    ["one name twice", replica("path: /b\n      - path: /c"), '5:9: a second replica with the name "file"'],
    ["a key twice", "dbs: []\ndbs: []\n", "2:1: Map keys must be unique"],
    ["broken YAML", "dbs: [\n", "2:1: "],
    ["an alias to nothing", "dbs: *nothing\n", "1:6: there is no anchor &nothing"],
  ])("%s", (_, text, message) => {
    expect(problemIn(text)).toStartWith(`${name}:${message}`);
  });

  test("an unknown key is reported before other problems, and else the first of them", () => {
    expect(problemIn("dbs:\n  - path: 1\n    bogus: 2\nzzz: 3\n")).toStartWith(`${name}:3:5: unknown key "bogus"`);
    expect(problemIn("dbs:\n  - path: 1\n    replicas: 2\n")).toStartWith(`${name}:2:11: path must be text`);
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
