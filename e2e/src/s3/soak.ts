/**
 * Replicates a database under load to MinIO through a proxy that misbehaves with one of five requests, goes away twice,
 * and loses the process that replicates once; restores again and again (docs/s3.md). As a command:
 *
 *     npm run s3-soak -- [--minutes N] [--idle-minutes N] [--seed N]
 *
 * 30 minutes by default, and then 10 in which nothing is written. Exits with 1 at the first thing that is
 * not as promised.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { errorMessage, openReplica, restore, type S3ReplicaOptions } from "@litestream/core";
import {
  committedPrefix,
  type FaultProxy,
  integrityCheck,
  misbehaviour,
  rowsDigest,
  SeededRandom,
  spawnWriter,
  startFaultProxy,
  type TempFolder,
  tempFolder,
  type WriterProcess,
} from "@litestream/testkit";
import { acknowledgedBefore } from "../acknowledged.ts";
import { type ObjectServer, objectServerBinary, startObjectServer } from "../tools/object-server.ts";
import { Replicating } from "./replicating.ts";

const misbehavingFraction = 0.2;
const transactionsPerSecond = 20;
const memorySampleMs = 500;

export interface S3SoakOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** How long the store is away, each time. */
  readonly outageMs: number;
  /** How long nothing is written at the end, and so nothing may be sent. */
  readonly idleMs: number;
  /** What a connection costs that nobody answers. */
  readonly requestTimeoutMs: number;
  /** Of MinIO. */
  readonly binary: string;
  readonly onRestore?: (line: string) => void;
}

export interface S3SoakReport {
  readonly transactions: number;
  readonly requests: number;
  readonly faults: number;
  /** Syncs that failed even so, and were tried again. */
  readonly errors: number;
  readonly restores: number;
  /** From when the store was back until everything that was acknowledged by then was replicated. */
  readonly catchUpMs: readonly number[];
  readonly generations: readonly string[];
  /** Resident memory of the process that replicates, median of the first and of the last quarter, and its peak. */
  readonly memoryBytes: { readonly first: number; readonly last: number; readonly peak: number };
}

/** @throws Error with the seed, at the first thing that is not as promised */
export async function runS3Soak(options: S3SoakOptions): Promise<S3SoakReport> {
  await using server = await startObjectServer("minio", options.binary);
  const random = new SeededRandom(options.seed);
  const fault = misbehaviour(random, { fraction: misbehavingFraction, delayMsMax: options.requestTimeoutMs / 6 });
  await using proxy = await startFaultProxy({ port: server.port, fault });
  await using folder = await tempFolder();
  await using writer = await spawnWriter({
    path: folder.join("app.db"),
    seed: options.seed,
    rowsMax: 20_000,
    pagesPerTransaction: 4,
    rate: transactionsPerSecond,
    logPath: folder.join("acknowledged.log"),
  });
  await writer.waitFor(1);
  await using soak = new Soak(options, { server, proxy, folder, writer });
  try {
    return await soak.run();
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${errorMessage(error)}`, { cause: error });
  }
}

interface Stage {
  readonly server: ObjectServer;
  readonly proxy: FaultProxy;
  readonly folder: TempFolder;
  readonly writer: WriterProcess;
}

class Soak implements AsyncDisposable {
  readonly #options: S3SoakOptions;
  readonly #stage: Stage;
  #replicating: Replicating;
  readonly #ended: Replicating[] = [];
  readonly #memory: number[] = [];
  readonly #sampling: ReturnType<typeof setInterval>;
  readonly #catchUpMs: number[] = [];
  #restores = 0;

  constructor(options: S3SoakOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
    this.#replicating = this.#newReplicating();
    this.#sampling = setInterval(() => this.#sampleMemory(), memorySampleMs);
  }

  async run(): Promise<S3SoakReport> {
    const { durationMs, outageMs } = this.#options;
    const startedAtMs = performance.now();
    const untilPart = async (part: number): Promise<void> => this.#restoreUntil(startedAtMs + durationMs * part);
    await untilPart(0.25);
    await this.#outage(outageMs);
    await untilPart(0.5);
    await this.#loseProcess();
    await untilPart(0.75);
    await this.#outage(outageMs);
    await untilPart(1);
    return await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sampling);
    await this.#replicating[Symbol.asyncDispose]();
  }

  #newReplicating(): Replicating {
    const { proxy, folder } = this.#stage;
    return new Replicating({
      litestream: { path: folder.join("app.db") },
      replica: this.#replicaAt(proxy.endpoint),
    });
  }

  #replicaAt(endpoint: string): S3ReplicaOptions {
    const { requestTimeoutMs } = this.#options;
    return { ...this.#stage.server.replica("soak", endpoint), requestTimeoutMs };
  }

  async #restoreUntil(untilMs: number): Promise<void> {
    const pauseMs = Math.min(20_000, this.#options.durationMs / 16);
    while (performance.now() < untilMs) {
      await Bun.sleep(Math.min(pauseMs, Math.max(0, untilMs - performance.now())));
      if (this.#replicating.reports("replicated").length > 0) await this.#restoreNow(this.#stage.server.endpoint);
    }
  }

  /** Whatever was reported is in the replica, and what is in it is sound. @returns the last transaction in it */
  async #restoreNow(endpoint: string): Promise<void> {
    const { folder, writer } = this.#stage;
    const required = acknowledgedBefore(writer.acknowledged(), this.#asOfMs());
    const outputPath = folder.join(`restored-${++this.#restores}.db`);
    await restore({ replica: openReplica(this.#replicaAt(endpoint)), outputPath });
    const check = integrityCheck(outputPath);
    const committed = committedPrefix(outputPath);
    await Bun.file(outputPath).unlink();
    if (check !== "ok") throw new Error(`restore ${this.#restores} is not sound: ${check}`);
    if (committed < required) {
      throw new Error(`restore ${this.#restores} has ${committed} transactions; ${required} were reported`);
    }
    const megabytes = ((this.#memory.at(-1) ?? 0) / 1e6).toFixed(0);
    this.#options.onRestore?.(`restore ${this.#restores}: ${committed} transactions, ${megabytes} MB resident`);
  }

  async #outage(outageMs: number): Promise<void> {
    const { proxy, writer } = this.#stage;
    proxy.down();
    await Bun.sleep(outageMs);
    const acknowledged = writer.lastAcknowledged();
    proxy.up();
    const backAtMs = performance.now();
    const nowMs = Date.now();
    await writer.waitFor(acknowledged + 1);
    await this.#replicating.waitForAsOf(nowMs);
    this.#catchUpMs.push(performance.now() - backAtMs);
  }

  /** Once everything is sent, and until something is written again, there is not one request. */
  async #idle(): Promise<void> {
    const { proxy } = this.#stage;
    const quietMs = this.#options.requestTimeoutMs * 2 + 2000;
    for (let before = -1; before !== proxy.requestCount;) {
      before = proxy.requestCount;
      await Bun.sleep(quietMs);
    }
    const before = proxy.requestCount;
    await Bun.sleep(this.#options.idleMs);
    const sent = proxy.requestCount - before;
    if (sent > 0) throw new Error(`${sent} requests were sent in ${this.#options.idleMs} ms in which nothing changed`);
  }

  async #loseProcess(): Promise<void> {
    await this.#replicating.kill("SIGKILL");
    this.#ended.push(this.#replicating);
    this.#replicating = this.#newReplicating();
    await this.#replicating.waitFor(({ type }) => type === "replicated");
  }

  async #end(): Promise<S3SoakReport> {
    const { server, proxy, folder, writer } = this.#stage;
    await writer.stop();
    await this.#idle();
    this.#sampleMemory();
    clearInterval(this.#sampling);
    const { exitCode, stderr } = await this.#replicating.kill("SIGTERM");
    if (exitCode !== 0) throw new Error(`the last sync failed: ${stderr}`);
    // Everything, also read through the proxy that misbehaves.
    for (const endpoint of [server.endpoint, proxy.endpoint]) {
      const outputPath = folder.join(`end-${new URL(endpoint).port}.db`);
      await restore({ replica: openReplica(this.#replicaAt(endpoint)), outputPath });
      if (rowsDigest(outputPath) !== rowsDigest(folder.join("app.db"))) throw new Error("the last restore differs");
      this.#restores++;
    }
    const lives = [...this.#ended, this.#replicating];
    const quarter = Math.max(1, this.#memory.length >> 2);
    return {
      transactions: writer.lastAcknowledged(),
      requests: proxy.requestCount,
      faults: proxy.faultCount,
      errors: lives.reduce((sum, life) => sum + life.reports("error").length, 0),
      restores: this.#restores,
      catchUpMs: this.#catchUpMs,
      generations: lives.flatMap((life) => life.reports("generation").map(({ reason }) => reason)),
      memoryBytes: {
        first: median(this.#memory.slice(0, quarter)),
        last: median(this.#memory.slice(-quarter)),
        peak: Math.max(...this.#memory),
      },
    };
  }

  #asOfMs(): number {
    return Math.max(...[...this.#ended, this.#replicating].map((life) => life.asOfMs()));
  }

  #sampleMemory(): void {
    try {
      const status = readFileSync(`/proc/${this.#replicating.pid}/status`, "utf8");
      const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
      if (kilobytes !== undefined) this.#memory.push(Number(kilobytes) * 1024);
    } catch {
      // It was just ended.
    }
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

export function formatReport(report: S3SoakReport, { seed, durationMs, outageMs, idleMs }: S3SoakOptions): string {
  const { memoryBytes, catchUpMs, generations } = report;
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const rows: [string, string][] = [
    ["seed", String(seed)],
    ["time", `${(durationMs / 60_000).toFixed(1)} minutes`],
    ["transactions acknowledged", report.transactions.toLocaleString("en")],
    ["requests", report.requests.toLocaleString("en")],
    ["of these met by a fault", report.faults.toLocaleString("en")],
    ["syncs that failed even so, and were tried again", String(report.errors)],
    ["restores, sound and with all that was reported", String(report.restores)],
    ["**lost**", "**0**"],
    [`caught up, after ${seconds(outageMs)} away`, catchUpMs.map(seconds).join(", ")],
    [`requests in ${seconds(idleMs)} without a write`, "0"],
    ["generations", generations.join(", ")],
    ["resident, median of the first quarter", megabytes(memoryBytes.first)],
    ["resident, median of the last quarter", megabytes(memoryBytes.last)],
    ["resident, peak", megabytes(memoryBytes.peak)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `| ${name.padEnd(width)} | ${value} |`);
  return [`| ${" ".repeat(width)} | |`, `| ${"-".repeat(width)} | --- |`, ...lines].join("\n");
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "30" },
      "idle-minutes": { type: "string", default: "10" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  const binary = await objectServerBinary("minio");
  if (!(minutes > 0) || !Number.isInteger(seed) || !(Number(values["idle-minutes"]) >= 0))
    throw new Error("not a number, or not positive");
  if (binary === undefined) throw new Error("MinIO could not be built by Go, or Go is not installed");
  console.log(`seed ${seed}, ${minutes} minutes`);
  const durationMs = minutes * 60_000;
  const onRestore = (line: string): void => console.log(line);
  const outageMs = Math.min(60_000, durationMs / 15);
  const idleMs = Number(values["idle-minutes"]) * 60_000;
  const options = { seed, durationMs, outageMs, idleMs, requestTimeoutMs: 3000, binary, onRestore };
  try {
    console.log(formatReport(await runS3Soak(options), options));
  } catch (error) {
    console.error(`NOT AS PROMISED: ${errorMessage(error)}`);
    process.exitCode = 1;
  }
}
