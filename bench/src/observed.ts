/**
 * What it costs to be looked at: the lag of replication, and the CPU of its process, while nobody looks, while
 * `/metrics` is scraped, and while pages are open, in turns and in one process; then the cost of observing its events.
 *
 *     bun run observed -- [--seconds 60] [--rounds 3] [--scrapes 200] [--pages 50] [--rate 100]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { LitestreamEvent } from "@litestream/core";
import { startServed } from "@litestream/e2e/served";
import { metricsObserver, Registry } from "@litestream/metrics";
import { type OnlookerReport, type OnlookerTask } from "./load/onlookers.ts";
import { prepareLoad, transactionOf60KB } from "./load/transaction.ts";
import { Load } from "./load/load.ts";
import { processUsage, usageSince } from "./measure/process-usage.ts";
import { median, percentile } from "./measure/statistics.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    rounds: { type: "string", default: "3" },
    scrapes: { type: "string", default: "200" },
    pages: { type: "string", default: "50" },
    rate: { type: "string", default: "100" },
  },
});
const [seconds, rounds, rate] = [Number(values.seconds), Number(values.rounds), Number(values.rate)];

interface Phase {
  readonly name: string;
  readonly scrapesPerSecond: number;
  readonly pages: number;
}

const phases: readonly Phase[] = [
  { name: "nobody looks", scrapesPerSecond: 0, pages: 0 },
  { name: `${values.scrapes} scrapes a second`, scrapesPerSecond: Number(values.scrapes), pages: 0 },
  { name: `${values.pages} open pages`, scrapesPerSecond: 0, pages: Number(values.pages) },
];

interface Measured extends OnlookerReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

type Replicator = Awaited<ReturnType<typeof startServed>>["replicator"];

async function measure(path: string, url: string, replicator: Replicator, phase: Phase): Promise<Measured> {
  const task: OnlookerTask = { url, ...phase };
  const script = join(import.meta.dirname, "load/onlookers.ts");
  // Those who look are elsewhere in earnest: they get what the machine has left.
  const onlookers = Bun.spawn(["nice", "-n", "19", process.execPath, script, JSON.stringify(task)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await Bun.sleep(1000);
  const before = processUsage(replicator.pid);
  const from = replicator.replicaSyncs().length;
  await using load = new Load({ path, size: transactionOf60KB, seconds, perSecond: rate, seed: nextSeed++ });
  const report = await load.done();
  // The writer's clock and the replicator's may differ by a little: of the very last ones no sync might be later.
  const committedAtMs = report.committedAtMs.slice(0, -rate);
  const { cpuMs } = usageSince(before, processUsage(replicator.pid));
  await replicator.waitForAsOf(committedAtMs.at(-1) ?? 0);
  await onlookers.stdin.end();
  const seen = JSON.parse(await onlookers.stdout.text()) as OnlookerReport;
  const syncs = replicator.replicaSyncs().slice(from);
  const lags: number[] = [];
  let next = 0;
  for (const atMs of committedAtMs) {
    while (next < syncs.length && (syncs[next]?.asOfMs ?? 0) <= atMs) next++;
    const sync = syncs[next];
    if (sync === undefined) throw new Error("a transaction was not reported as replicated");
    lags.push(Math.max(0, Date.parse(sync.time) - atMs));
  }
  return {
    ...seen,
    p50Ms: percentile(lags, 0.5),
    p99Ms: percentile(lags, 0.99),
    cpuMs: cpuMs / report.committedAtMs.length,
  };
}

/** Microseconds for each event of those that came, in their order. */
function observeUs(events: readonly LitestreamEvent[]): number {
  const observe = metricsObserver(new Registry());
  const times = Math.ceil(2e6 / events.length);
  for (const event of events) observe(event);
  const startedAtMs = performance.now();
  for (let n = 0; n < times; n++) for (const event of events) observe(event);
  return ((performance.now() - startedAtMs) * 1000) / (times * events.length);
}

let nextSeed = 1;
const folder = mkdtempSync(join(tmpdir(), "litestream-observed-"));
try {
  const path = join(folder, "app.db");
  prepareLoad(path, transactionOf60KB);
  const { replicator, url } = await startServed({
    workPath: join(folder, "work"),
    databases: [{ path, replicas: [{ path: join(folder, "replica") }] }],
  });
  await using _replicator = replicator;
  await replicator.waitForReplicated();
  const results = new Map<string, Measured[]>(phases.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Each is first once, so that a slow moment of the machine is nobody's fault.
    for (let n = 0; n < phases.length; n++) {
      const phase = phases[(n + round) % phases.length];
      if (phase !== undefined) results.get(phase.name)?.push(await measure(path, url, replicator, phase));
    }
  }
  console.log(`\n${rate} transactions of 60 KB a second, ${rounds} rounds of ${seconds} s; medians of the rounds\n`);
  console.log("| who looks | lag p50 | lag p99 | against nobody | CPU for a transaction | answered | failed |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  const alone = results.get(phases[0]?.name ?? "") ?? [];
  for (const [name, runs] of results) {
    const of = (pick: (run: Measured) => number): number => median(runs.map(pick));
    // Round by round, since the machine is not the same in each.
    const ratio = median(runs.map((run, round) => run.p99Ms / (alone[round]?.p99Ms ?? Number.NaN)));
    const answered = of((run) => run.scrapes + run.events);
    const cells = [
      `${of((run) => run.p50Ms).toFixed(1)} ms`,
      `${of((run) => run.p99Ms).toFixed(1)} ms`,
      `${((ratio - 1) * 100).toFixed(1)} %`,
      `${of((run) => run.cpuMs).toFixed(3)} ms`,
      answered,
      of((run) => run.failed),
    ];
    console.log(`| ${[name, ...cells].join(" | ")} |`);
  }
  const events = replicator.events().map((event) => asEmitted(event));
  const us = observeUs(events);
  const transactions = rounds * phases.length * seconds * rate;
  const perTransaction = (us * events.length) / transactions / 1000;
  const cpuMs = median(alone.map((run) => run.cpuMs));
  console.log(
    `\nobserving: ${us.toFixed(3)} us for an event, ${(events.length / transactions).toFixed(2)} events for a` +
      ` transaction: ${((perTransaction / cpuMs) * 100).toFixed(2)} % of its CPU`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The trace has positions as text. */
function asEmitted(event: object): LitestreamEvent {
  const [generation = "", rest = ""] = "position" in event ? String(event.position).split("/") : [];
  const [index = "", offset = ""] = rest.split(":");
  const position = { generation, index: Number.parseInt(index, 16), offset: Number.parseInt(offset, 16) };
  return ("position" in event ? { ...event, position } : event) as LitestreamEvent;
}
