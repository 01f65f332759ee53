/** A process that commits in a closed loop, or at a rate, and says how long that took; started by commit-latency.ts. */
import { Database } from "bun:sqlite";

export interface WriterTask {
  readonly path: string;
  readonly seconds: number;
  /** Transactions per second; 0 for as fast as they go. */
  readonly rate: number;
  readonly synchronous: "NORMAL" | "FULL";
}

export interface WriterReport {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? "") as WriterTask;
  using database = new Database(task.path);
  database.run("PRAGMA busy_timeout = 10000");
  database.run(`PRAGMA synchronous = ${task.synchronous}`);
  using insert = database.prepare("INSERT INTO t (data) VALUES (randomblob(20000))");
  using remove = database.prepare("DELETE FROM t WHERE id = ?");
  const latenciesUs: number[] = [];
  const startedAtMs = performance.now();
  const endMs = startedAtMs + task.seconds * 1000;
  for (let n = 0; performance.now() < endMs; n++) {
    const dueMs = task.rate === 0 ? 0 : startedAtMs + (n * 1000) / task.rate;
    while (performance.now() < dueMs) await Bun.sleep(Math.max(0, dueMs - performance.now()));
    const beganAtMs = performance.now();
    insert.run();
    latenciesUs.push((performance.now() - beganAtMs) * 1000);
    // The database stays small: checkpoints and the WAL are what is measured.
    if (n >= 500) remove.run(n - 499);
  }
  const durationSeconds = (performance.now() - startedAtMs) / 1000;
  latenciesUs.sort((a, b) => a - b);
  const at = (share: number): number => latenciesUs[Math.floor(latenciesUs.length * share)] ?? 0;
  const report: WriterReport = {
    perSecond: latenciesUs.length / durationSeconds,
    p50Us: at(0.5),
    p99Us: at(0.99),
    maxUs: latenciesUs.at(-1) ?? 0,
  };
  console.log(JSON.stringify(report));
}
