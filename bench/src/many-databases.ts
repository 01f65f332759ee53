/**
 * Many databases in one process: CPU, memory and lag of the replicator, idle and with some of them written, ours and
 * Litestream's releases side by side. `bun src/many-databases.ts [--databases N] [--written N] [--seconds S]
 * [--settle S] [--ours]`
 */
import { Database } from "bun:sqlite";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { litestreamBinary } from "@litestream/e2e/litestream-binary";

const { values } = parseArgs({
  options: {
    databases: { type: "string", default: "300" },
    written: { type: "string", default: "30" },
    seconds: { type: "string", default: "20" },
    settle: { type: "string", default: "20" },
    folder: { type: "string", default: tmpdir() },
    ours: { type: "boolean", default: false },
  },
});
const databases = Number(values.databases);
const written = Number(values.written);
const seconds = Number(values.seconds);
/** Commits per second into each database that is written. */
const rate = 2;
/** Until every database has its first snapshot. */
const settleMs = Number(values.settle) * 1000;
const main = join(import.meta.dirname, "../../packages/cli/src/main.ts");
/** Ticks of the kernel's clock per second. */
const ticksPerSecond = Number(Bun.spawnSync(["getconf", "CLK_TCK"]).stdout.toString());

interface Usage {
  /** Seconds of processor time until now. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Times that the main thread gave up the processor by itself: it was woken up so often. */
  readonly wakeUps: number;
}

function usageOf(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    residentBytes: Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1024,
    wakeUps: Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1] ?? 0),
  };
}

interface Measured {
  readonly cpuPercent: number;
  readonly residentBytes: number;
  readonly wakeUpsPerSecond: number;
}

async function measure(pid: number, work: () => Promise<void>): Promise<Measured> {
  const before = usageOf(pid);
  const beganAtMs = performance.now();
  await work();
  const after = usageOf(pid);
  const elapsedSeconds = (performance.now() - beganAtMs) / 1000;
  return {
    cpuPercent: ((after.cpuSeconds - before.cpuSeconds) / elapsedSeconds) * 100,
    residentBytes: after.residentBytes,
    wakeUpsPerSecond: (after.wakeUps - before.wakeUps) / elapsedSeconds,
  };
}

interface Result {
  readonly idle: Measured;
  readonly busy: Measured;
  /** From a commit to its report as replicated; ours only. */
  readonly lagsMs: readonly number[];
}

/** As `SELECT` would find them: what was committed, and when. */
type Commits = Map<string, number[]>;

async function write(connections: ReadonlyMap<string, Database>): Promise<Commits> {
  const commits: Commits = new Map([...connections.keys()].map((path) => [path, []]));
  const paths = [...connections.keys()];
  const periodMs = 1000 / (rate * Math.max(1, paths.length));
  const beganAtMs = performance.now();
  for (let n = 0; performance.now() - beganAtMs < seconds * 1000; n++) {
    const path = paths[n % paths.length] ?? "";
    connections.get(path)?.run("INSERT INTO t (data) VALUES (randomblob(2000))");
    commits.get(path)?.push(Date.now());
    await Bun.sleep(Math.max(0, beganAtMs + (n + 1) * periodMs - performance.now()));
  }
  return commits;
}

function lagsOf(commits: Commits, tracePath: string): number[] {
  const events = readFileSync(tracePath, "utf8")
    .split("\n")
    .filter((line) => line.includes('"replica-sync"'))
    .map((line) => JSON.parse(line) as { db: string; time: string; asOfMs: number });
  return [...commits].flatMap(([path, times]) => {
    const syncs = events.filter(({ db }) => db === path);
    return times.flatMap((atMs) => {
      // The time of a look is taken before it, that of a commit after it.
      const sync = syncs.find(({ asOfMs }) => asOfMs >= atMs);
      return sync === undefined ? [] : [Math.max(0, Date.parse(sync.time) - atMs)];
    });
  });
}

async function run(command: (config: string, trace: string) => string[], count: number): Promise<Result> {
  const folder = mkdtempSync(join(values.folder, "many-databases-"));
  try {
    const paths = Array.from({ length: count }, (_, n) => join(folder, `${n}`, "app.db"));
    for (const path of paths) {
      mkdirSync(join(path, ".."));
      using database = new Database(path);
      database.run("PRAGMA journal_mode = wal");
      database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
    }
    const [config, trace] = [join(folder, "litestream.yml"), join(folder, "trace")];
    const dbs = paths.map((path) => ({ path, replicas: [{ type: "file", path: `${path}-replica` }] }));
    writeFileSync(config, JSON.stringify({ dbs }));
    writeFileSync(trace, "");
    const child = Bun.spawn(command(config, trace), { stdio: ["ignore", "ignore", "ignore"] });
    const connections = new Map<string, Database>();
    try {
      await Bun.sleep(settleMs);
      const idle = await measure(child.pid, () => Bun.sleep(seconds * 1000));
      for (const path of paths.slice(0, written)) {
        const database = new Database(path);
        database.run("PRAGMA busy_timeout = 10000");
        connections.set(path, database);
      }
      let commits: Commits = new Map();
      const busy = await measure(child.pid, async () => {
        commits = await write(connections);
      });
      await Bun.sleep(1500);
      return { idle, busy, lagsMs: lagsOf(commits, trace).toSorted((a, b) => a - b) };
    } finally {
      for (const database of connections.values()) database.close();
      child.kill("SIGTERM");
      await child.exited;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const candidates = [
  {
    name: "ours",
    command: (config: string, trace: string) => [
      process.execPath,
      main,
      "replicate",
      "-config",
      config,
      "-trace",
      trace,
    ],
  },
];
for (const version of ["v0.3.4", "v0.3.13", "v0.5.16"] as const) {
  const binary = values.ours ? undefined : await litestreamBinary(version);
  if (binary !== undefined) {
    candidates.push({ name: version, command: (config) => [binary, "replicate", "-config", config] });
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
console.log(`${databases} databases, ${written} of them written ${rate} times a second; ${seconds} s each\n`);
const titles = ["replicator", "databases", "idle: CPU", "for each", "wake-ups/s", "memory", "for each more"];
console.log(`| ${[...titles, "written: CPU", "memory", "lag p50 / p99 / max"].join(" | ")} |`);
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
for (const { name, command } of candidates) {
  const one = await run(command, 1);
  const many = await run(command, databases);
  for (const [count, { idle, busy, lagsMs }] of [
    [1, one],
    [databases, many],
  ] as const) {
    const each = (idle.residentBytes - one.idle.residentBytes) / Math.max(1, count - 1);
    const at = (share: number): string =>
      (lagsMs[Math.min(lagsMs.length - 1, Math.floor(lagsMs.length * share))] ?? Number.NaN).toFixed(0);
    const cells = [
      name,
      count,
      `${idle.cpuPercent.toFixed(2)} %`,
      `${(idle.cpuPercent / count).toFixed(4)} %`,
      idle.wakeUpsPerSecond.toFixed(0),
      `${megabytes(idle.residentBytes)} MB`,
      count === 1 ? "" : `${megabytes(each)} MB`,
      `${busy.cpuPercent.toFixed(2)} %`,
      `${megabytes(busy.residentBytes)} MB`,
      lagsMs.length === 0 ? "" : `${at(0.5)} / ${at(0.99)} / ${at(1)} ms`,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
