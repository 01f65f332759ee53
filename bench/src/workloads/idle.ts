import { Database } from "bun:sqlite";
import { join } from "node:path";
import { usageSince } from "../measure/process-usage.ts";
import { fileReplica, RunningReplicator } from "../replicators/running.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { untilReplicated } from "./until.ts";
import type { Case, Measured, RunContext, Workload } from "./workload.ts";

/**
 * Databases lie idle for weeks. What happens once after the start must be over: first checkpoints, first compactions,
 * and the compiling of what is done again and again, which comes half a minute after the start with 300 databases.
 */
const settleMs = 60_000;

export const idle: Workload = {
  name: "idle",
  title: "Databases that nobody writes to",
  about: "The replicator's CPU as a share of one processor, how often it wakes up, and the memory it keeps.",
  figures: [
    { key: "cpuPercent", title: "CPU", unit: "%", better: "less", digits: 2 },
    { key: "wakeUps", title: "wake-ups", unit: "/s", better: "less", digits: 0 },
    { key: "memoryMB", title: "memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [
    { figure: "cpuPercent", ofBest: 0.1, cases: ["100 databases", "300 databases"] },
    { figure: "memoryMB", absolute: 80, cases: ["100 databases"] },
  ],
  hasBaseline: false,
  roundsMax: 2,
  cases: (scale) =>
    [1, 100, 300].map((databases): Case => ({
      name: databases === 1 ? "1 database" : `${databases} databases`,
      isQuick: databases !== 1,
      run: (replicator, context) => measureIdle(replicator, context, databases, scale === "quick" ? 8 : 20),
    })),
};

async function measureIdle(
  replicator: Replicator | undefined,
  { folder }: RunContext,
  databases: number,
  seconds: number,
): Promise<Measured> {
  if (replicator === undefined) throw new Error("an idle replicator is one of them");
  const paths = makeDatabases(folder, databases);
  await using running = new RunningReplicator(
    replicator,
    paths.map((path) => ({ path, replicas: [fileReplica(`${path}.replica`)] })),
  );
  for (const path of paths) await untilReplicated(replicator, `${path}.replica`, running);
  await Bun.sleep(settleMs);
  const before = running.usage();
  const beganAtMs = performance.now();
  await Bun.sleep(seconds * 1000);
  const elapsedMs = performance.now() - beganAtMs;
  const after = running.usage();
  const used = usageSince(before, after);
  return {
    cpuPercent: (used.cpuMs / elapsedMs) * 100,
    wakeUps: (used.wakeUps / elapsedMs) * 1000,
    memoryMB: after.memoryBytes / 1e6,
  };
}

/** Small ones, each with something in its WAL, as an application leaves them that has them open and does nothing. */
export function makeDatabases(folder: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const path = join(folder, `app-${n}.db`);
    using database = new Database(path);
    database.run("PRAGMA journal_mode = wal");
    database.run("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)");
    database.run("INSERT INTO note (text) VALUES ('nothing happens here')");
    return path;
  });
}
