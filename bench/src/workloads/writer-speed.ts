import { statSync } from "node:fs";
import { join } from "node:path";
import { Load, type LoadOptions } from "../load/load.ts";
import { type LoadSize, prepareLoad } from "../load/transaction.ts";
import { percentile } from "../measure/statistics.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { untilReplicated } from "./until.ts";
import type { Case, Measured, RunContext, Workload } from "./workload.ts";

const size: LoadSize = { slotBytes: 20_000, slots: 500 };

const loads: readonly { readonly name: string; readonly isQuick: boolean; readonly load: Partial<LoadOptions> }[] = [
  { name: "one after the other, NORMAL", isQuick: true, load: {} },
  { name: "100 a second, NORMAL", isQuick: false, load: { perSecond: 100 } },
  { name: "100 a second, FULL", isQuick: false, load: { perSecond: 100, synchronous: "FULL" } },
];

export const writerSpeed: Workload = {
  name: "writer-speed",
  title: "What the application notices",
  about:
    "A writer's own speed, and how long its commits take, with no replicator and with each: transactions of 20 KB, " +
    "`synchronous` as named, SQLite's own checkpoints left as they are by default (each 1,000 pages). " +
    "The WAL file is as large as it ever was: who keeps checkpoints from moving anything makes the writer faster, " +
    "until the disk is full.",
  figures: [
    { key: "perSecond", title: "commits a second", unit: "/s", better: "more", digits: 0 },
    { key: "p50Us", title: "median", unit: "us", better: "less", digits: 0 },
    { key: "p99Us", title: "99 %", unit: "us", better: "less", digits: 0 },
    { key: "maxMs", title: "worst", unit: "ms", better: "less", digits: 1 },
    { key: "walMB", title: "WAL file", unit: "MB", better: "less", digits: 0 },
  ],
  // As fast as under the best, within what two runs of the same differ by.
  bars: [{ figure: "perSecond", ofBest: 0.95 }],
  hasBaseline: true,
  cases: (scale) =>
    loads.map(({ name, isQuick, load }): Case => ({
      name,
      isQuick,
      run: (replicator, context) => measureWriter(replicator, context, load, scale === "quick" ? 4 : 6),
    })),
};

async function measureWriter(
  replicator: Replicator | undefined,
  { folder }: RunContext,
  options: Partial<LoadOptions>,
  seconds: number,
): Promise<Measured> {
  const [path, replicaPath] = [join(folder, "app.db"), join(folder, "replica")];
  prepareLoad(path, size);
  await using running =
    replicator && new RunningReplicator(replicator, [{ path, replicas: [fileReplica(replicaPath)] }]);
  if (replicator !== undefined && running !== undefined) {
    await untilReplicated(replicator, replicaPath, running);
    await Bun.sleep(1500);
  }
  await using load = new Load({ path, size, seconds, autocheckpointPages: 1000, ...options });
  const report = await load.done();
  return {
    perSecond: report.latencyUs.length / report.seconds,
    p50Us: percentile(report.latencyUs, 0.5),
    p99Us: percentile(report.latencyUs, 0.99),
    maxMs: percentile(report.latencyUs, 1) / 1000,
    walMB: statSync(`${path}-wal`).size / 1e6,
  };
}
