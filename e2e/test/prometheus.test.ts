import { expect } from "bun:test";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { metricDefinitions } from "@litestream/metrics";
import { spawnWriter, tempFolder } from "@litestream/testkit";
import { parse } from "yaml";
import { scrape } from "../src/metrics/exposition.ts";
import { Prometheus } from "../src/metrics/prometheus.ts";
import { startServed } from "../src/metrics/served.ts";
import { run } from "../src/command.ts";
import { skipUnless } from "../src/tools/skip.ts";
import { waitUntil } from "../src/wait-until.ts";

const root = join(import.meta.dirname, "../..");
const rulesPath = join(root, "contrib/prometheus/litestream.rules.yml");
const dashboardPath = join(root, "contrib/grafana/litestream.json");
const needed = "Debian's package prometheus is not installed";
const testWithPrometheus = skipUnless(Bun.which("prometheus") ?? undefined, needed);
const testWithPromtool = skipUnless(Bun.which("promtool") ?? undefined, needed);

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

function alertRules(): Rule[] {
  const { groups } = parse(readFileSync(rulesPath, "utf8")) as { groups: readonly { rules: readonly Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** With Grafana's variables replaced by what they stand for. */
function dashboardQueries(): { readonly title: string; readonly expr: string }[] {
  const { panels } = JSON.parse(readFileSync(dashboardPath, "utf8")) as { panels: readonly Panel[] };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll(/"\$(?:job|instance|db)"/g, '".*"').replaceAll("$__rate_interval", "30s"),
    })),
  );
}

testWithPromtool("the alert rules are sound, and go off when they should", async (promtool) => {
  expect(await run([promtool, "check", "rules", rulesPath])).toMatchObject({ exitCode: 0 });
  const tests = join(root, "contrib/prometheus/litestream.rules.test.yml");
  const tested = await run([promtool, "test", "rules", tests]);
  expect(`${tested.stdout}${tested.stderr}`).toContain("SUCCESS");
  expect(tested.exitCode).toBe(0);
  const named = readFileSync(tests, "utf8");
  expect(alertRules().filter(({ alert }) => !named.includes(`alertname: ${alert}\n`))).toEqual([]);
});

testWithPromtool(
  "what is served has nothing for promtool to complain of, but what Litestream's names are",
  async () => {
    await using folder = await tempFolder();
    await using writer = await spawnWriter({
      path: folder.join("app.db"),
      seed: 1,
      transactions: 20,
      whenDone: "hold",
    });
    await writer.waitUntilDone();
    const { replicator, url } = await startServed({
      workPath: folder.join("work"),
      databases: [{ path: folder.join("app.db"), replicas: [{ path: folder.join("replica") }] }],
    });
    await using _replicator = replicator;
    await replicator.waitForReplicated();
    const text = await (await fetch(`${url}/metrics`)).text();
    const child = Bun.spawn(["promtool", "check", "metrics"], {
      stdin: new Blob([text]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = `${await child.stdout.text()}${await child.stderr.text()}`;
    const ofLitestream =
      /^litestream_\w+ (?:counter metrics should have "_total"|non-\w.* should not have "_(?:total|count)") suffix$/;
    expect(said.split("\n").filter((line) => line !== "" && !ofLitestream.test(line))).toEqual([]);
  },
);

testWithPrometheus(
  "Prometheus scrapes it; an alert fires when a replica stops, and clears when it goes on",
  async (prometheus) => {
    await using folder = await tempFolder();
    const dbPath = folder.join("app.db");
    const replicaPath = folder.join("replica");
    await using _writer = await spawnWriter({ path: dbPath, seed: 1, rate: 50, rowsMax: 500 });
    const { replicator, url } = await startServed({
      workPath: folder.join("work"),
      databases: [{ path: dbPath, replicas: [{ path: replicaPath }] }],
    });
    await using _replicator = replicator;
    await replicator.waitForReplicated();
    // The rules as they are shipped, in seconds instead of minutes.
    const ruleFile = folder.join("rules.yml");
    const shipped = readFileSync(rulesPath, "utf8");
    writeFileSync(
      ruleFile,
      shipped.replaceAll(/for: \d+m/g, "for: 200ms").replace("lag_seconds > 60", "lag_seconds > 1"),
    );
    expect(readFileSync(ruleFile, "utf8")).toContain("litestream_replica_lag_seconds > 1\n");
    await using server = await Prometheus.start(prometheus, {
      folder: folder.join("prometheus"),
      target: new URL(url).host,
      ruleFile,
      intervalMs: 400,
    });

    const firing = async (): Promise<string[]> =>
      (await server.alerts()).filter(({ state }) => state === "firing").map(({ labels }) => labels["alertname"] ?? "");
    await waitUntil("the first scrape", async () => (await server.query('up{job="litestream"} == 1')).length === 1);
    expect(await server.targets()).toMatchObject([{ health: "up", lastError: "" }]);
    // It asks for OpenMetrics, and finds Litestream's names as they are all the same.
    expect(await server.query("litestream_sync_count > 0")).toHaveLength(1);
    expect(await server.query("litestream_sync_count_total")).toEqual([]);
    expect(await firing()).toEqual([]);

    // A file where the replica's folder has to be.
    renameSync(replicaPath, folder.join("aside"));
    writeFileSync(replicaPath, "");
    await waitUntil("the alert", async () => (await firing()).includes("LitestreamReplicaLagging"));
    await waitUntil(
      "lag to be seen",
      async () => ((await server.query("litestream_replica_lag_seconds"))[0] ?? 0) > 1.5,
    );
    await Bun.file(replicaPath).delete();
    await rename(folder.join("aside"), replicaPath);
    // Not for want of a scrape, which would clear it as well.
    await waitUntil("the replica to catch up", async () => {
      const [lagSeconds = Infinity] = await server.query("litestream_replica_lag_seconds");
      return lagSeconds < 1;
    });
    await waitUntil("the alert to clear", async () => !(await firing()).includes("LitestreamReplicaLagging"));

    // Every query that is shipped is one that Prometheus takes, of metrics that are there.
    const served = await scrape(url);
    const known = new Set([...served.keys(), ...Object.values(metricDefinitions).map(({ name }) => name), "up"]);
    const queries = [...dashboardQueries(), ...alertRules().map(({ alert, expr }) => ({ title: alert, expr }))];
    expect(queries.length).toBeGreaterThan(30);
    for (const { title, expr } of queries) {
      await server.query(expr);
      for (const [name] of expr.matchAll(/\b(?:litestream|process)_\w+/g)) {
        expect([title, known.has(name) || known.has(name.replace(/_(?:bucket|count|sum)$/, ""))]).toEqual([
          title,
          true,
        ]);
      }
    }

    await replicator.kill("SIGKILL");
    await waitUntil("the alert that nobody answers", async () => (await firing()).includes("LitestreamDown"));
  },
  120_000,
);
