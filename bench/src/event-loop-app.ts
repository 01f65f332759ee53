/** An application with a timer of 1 ms, replicated or not, that says how late it was; started by event-loop.ts. */
import { type EngineKind, Litestream } from "@litestream/core";

export interface EventLoopTask {
  readonly path: string;
  readonly replicaPath: string;
  readonly engine: EngineKind | "none";
  /** How long the timer runs where there is no snapshot to wait for. */
  readonly durationMs: number;
}

export interface EventLoopReport {
  readonly durationMs: number;
  readonly ticks: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? "") as EventLoopTask;
  const lateMs: number[] = [];
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lateMs.push(Math.max(0, nowMs - lastMs - 1));
    lastMs = nowMs;
  }, 1);
  const beganAtMs = performance.now();
  const { engine } = task;
  if (engine === "none") {
    await Bun.sleep(task.durationMs);
  } else {
    const litestream = new Litestream({ path: task.path, replicas: [{ path: task.replicaPath }], engine });
    await litestream.start();
    // Resolves when the replica has its snapshot.
    await litestream.sync();
    clearInterval(timer);
    await litestream.stop();
  }
  clearInterval(timer);
  lateMs.sort((a, b) => a - b);
  const at = (share: number): number => lateMs[Math.min(lateMs.length - 1, Math.floor(lateMs.length * share))] ?? 0;
  const report: EventLoopReport = {
    durationMs: performance.now() - beganAtMs,
    ticks: lateMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
  };
  console.log(JSON.stringify(report));
}
