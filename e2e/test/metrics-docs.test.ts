import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { metricDefinitions } from "@litestream/metrics";
import { spawnWriter, tempFolder } from "@litestream/testkit";
import { parse } from "yaml";
import { run } from "../src/command.ts";
import { scrape } from "../src/metrics/exposition.ts";
import { startServed } from "../src/metrics/served.ts";

const root = join(import.meta.dirname, "../..");
const document = readFileSync(join(root, "docs/metrics.md"), "utf8");

test("docs/metrics.md has a line for each metric, with its type, and none for what is not there", () => {
  const rows = document.split("\n").filter((line) => line.startsWith("| `litestream_"));
  const described = rows.flatMap((row) => {
    const [, names = "", type = ""] = row.split("|").map((cell) => cell.trim());
    return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => `${name} ${type}`);
  });
  const defined = Object.values(metricDefinitions).map(({ name, type }) => `${name} ${type}`);
  expect(described.toSorted()).toEqual(defined.toSorted());
});

test("docs/metrics.md has a line for each alert", () => {
  const rules = readFileSync(join(root, "contrib/prometheus/litestream.rules.yml"), "utf8");
  const { groups } = parse(rules) as { groups: readonly { rules: readonly { alert: string }[] }[] };
  const alerts = groups.flatMap((group) => group.rules.map(({ alert }) => alert));
  const described = [...document.matchAll(/^\| `(Litestream\w+)`/gm)].map(([, name = ""]) => name);
  expect(described.toSorted()).toEqual(alerts.toSorted());
});

test("the settings of docs/metrics.md serve and beat", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await using writer = await spawnWriter({ path, seed: 1, transactions: 5, whenDone: "hold" });
  await writer.waitUntilDone();
  const settings = [...document.matchAll(/^ {4}(addr|heartbeat-url|heartbeat-interval): (.*)$/gm)];
  expect(settings.map(([, key]) => key)).toEqual(["addr", "heartbeat-url", "heartbeat-interval"]);
  const written = Object.fromEntries(settings.map(([, key = "", value]) => [key, value]));
  const { replicator, url } = await startServed({
    workPath: folder.join("work"),
    databases: [{ path, replicas: [{ path: folder.join("replica") }] }],
    // Any port will do.
    settings: { ...written, addr: written["addr"]?.replace(/\d+$/, "0") },
  });
  await using _replicator = replicator;
  await replicator.waitForReplicated();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await scrape(url)).has("litestream_replica_lag_seconds")).toBe(true);
});

test("the example of docs/metrics.md replicates, and serves its metrics, as it is written", async () => {
  await using folder = await tempFolder();
  mkdirSync(folder.join("backups"));
  const dbPath = folder.join("app.db");
  await using writer = await spawnWriter({ path: dbPath, seed: 1, transactions: 5, whenDone: "hold" });
  await writer.waitUntilDone();
  const [, example = ""] = /```ts\n([^`]*(?:`\$[^`]*`[^`]*)*)```/.exec(document) ?? [];
  const program = example
    .replaceAll('"app.db"', JSON.stringify(dbPath))
    .replaceAll('"/backups/app"', JSON.stringify(folder.join("backups/app")));
  // The packages are found from where the file lies.
  const script = join(import.meta.dirname, `example-metrics-${process.pid}.tmp.ts`);
  writeFileSync(script, program);
  try {
    const { exitCode, stdout } = await run([process.execPath, script]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`litestream_db_size{db="${dbPath}"} `);
  } finally {
    rmSync(script);
  }
});
