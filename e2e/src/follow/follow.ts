/**
 * A copy that follows a replica under a writer, read by two other processes all the time, while the follower is killed
 * and the replicator begins new generations (docs/restore.md, "Follow"). As a command:
 *
 *     npm run follow -- [--minutes 5] [--layout whole|segments|ltx] [--seed N]
 *
 * `segments` and `ltx` are written by Litestream 0.3.13 and 0.5.16. It ends with a table, and exits with 1 if a reader
 * ever saw what was no state after one of the writer's transactions, or the copy did not become the database.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { errorMessage } from "@litestream/core";
import {
  type Acknowledgement,
  committedPrefix,
  integrityCheck,
  rowsDigest,
  SeededRandom,
  spawnWriter,
  tempFolder,
} from "@litestream/testkit";
import { commandEnvironment, commandLine } from "../command.ts";
import { writeConfigFile } from "../config-file.ts";
import { LitestreamProcess } from "../litestream-process.ts";
import { startReplicator } from "../replicator.ts";
import { litestreamBinary } from "../tools/litestream-binary.ts";
import { waitUntil } from "../wait-until.ts";

export type FollowedLayout = "whole" | "segments" | "ltx";

export interface FollowRun {
  readonly layout: FollowedLayout;
  readonly transactions: number;
  /** How often the readers looked, and how many different states they saw. */
  readonly looks: number;
  readonly states: number;
  readonly kills: number;
  readonly generations: number;
  /** From the moment a transaction was acknowledged until a reader had seen it. */
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

export interface FollowRunOptions {
  readonly layout: FollowedLayout;
  readonly durationMs: number;
  readonly seed: number;
  /** How long a follower lives, on average, before it is killed with SIGKILL. */
  readonly killEveryMs: number;
  /** How long a generation lasts; ours only. */
  readonly generationEveryMs: number;
  readonly interval?: string;
}

const transactionsPerSecond = 40;

/** @throws Error at the first thing that is not as promised; undefined where the other replicator is not there */
export async function runFollow(options: FollowRunOptions): Promise<FollowRun | undefined> {
  const { layout, durationMs, seed, killEveryMs, generationEveryMs, interval = "100ms" } = options;
  const version = layout === "segments" ? "v0.3.13" : "v0.5.16";
  const binary = layout === "whole" ? undefined : await litestreamBinary(version);
  if (layout !== "whole" && binary === undefined) return undefined;
  await using folder = await tempFolder();
  const [dbPath, replicaPath, copyPath] = [folder.join("app.db"), folder.join("replica"), folder.join("copy.db")];
  const random = new SeededRandom(seed);
  await using writer = await spawnWriter({
    path: dbPath,
    seed,
    profile: "mixed",
    rate: transactionsPerSecond,
    rowsMax: 3000,
    pagesPerTransaction: 12,
  });
  await writer.ready();
  let replicator = await startReplicating(dbPath, replicaPath, folder.join("work"), binary);
  let follower = await Follower.start(replicaPath, copyPath, interval);
  await using held = new Reader(copyPath, "held");
  await using fresh = new Reader(copyPath, "fresh");
  const startMs = performance.now();
  let [kills, generations, killAtMs, generationAtMs] = [0, 1, killEveryMs, generationEveryMs];
  try {
    for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs = performance.now() - startMs) {
      await Bun.sleep(50);
      follower.requireRunning();
      held.requireRunning();
      fresh.requireRunning();
      if (elapsedMs > killAtMs) {
        killAtMs = elapsedMs + killEveryMs * (0.5 + (random.uint32() % 1000) / 1000);
        await follower.kill();
        kills++;
        follower = await Follower.start(replicaPath, copyPath, interval);
      }
      if (layout === "whole" && elapsedMs > generationAtMs) {
        generationAtMs += generationEveryMs;
        await replicator[Symbol.asyncDispose]();
        rmSync(join(folder.path, ".app.db-litestream"), { recursive: true });
        replicator = await startReplicating(dbPath, replicaPath, folder.join("work"), binary);
        generations++;
      }
    }
    await writer.stop();
    const transactions = writer.lastAcknowledged();
    const acknowledged = writer.acknowledged();
    const stillUntil = (what: string, isReached: () => boolean): Promise<void> => {
      const isReachedInOrder = (): boolean => {
        follower.requireRunning();
        held.requireRunning();
        fresh.requireRunning();
        return isReached();
      };
      return waitUntil(what, isReachedInOrder, 60_000);
    };
    await stillUntil(
      "both readers to see the last transaction",
      () => held.last() >= transactions && fresh.last() >= transactions,
    );
    // The last one to write may be the replicator: Litestream marks each checkpoint in a table of its own.
    await stillUntil("the copy to have the rows of the database", () => rowsDigest(copyPath) === rowsDigest(dbPath));
    await follower.stop();
    const looks = (await held.stop()) + (await fresh.stop());
    if (integrityCheck(copyPath) !== "ok") throw new Error("the copy is damaged");
    if (committedPrefix(copyPath) !== transactions) throw new Error("the copy has not all transactions");
    const states = new Set([...held.seen, ...fresh.seen].map(({ n }) => n)).size;
    return { layout, transactions, looks, states, kills, generations, ...lagsOf(acknowledged, fresh, held) };
  } catch (error) {
    throw new Error(`${errorMessage(error)}; the follower said: ${await follower.kill()}`, { cause: error });
  } finally {
    await follower.kill();
    await replicator[Symbol.asyncDispose]();
  }
}

async function startReplicating(
  dbPath: string,
  replicaPath: string,
  workPath: string,
  binary: string | undefined,
): Promise<AsyncDisposable> {
  if (binary === undefined) {
    const replicator = await startReplicator({ dbPath, replicaPath, workPath });
    await replicator.waitForReplicated();
    return replicator;
  }
  const configPath = `${workPath}.yml`;
  await writeConfigFile(configPath, dbPath, replicaPath);
  const replicator = new LitestreamProcess(binary, configPath);
  await waitUntil("a replica", () => existsSync(replicaPath));
  return replicator;
}

/** `litestream restore -f`. */
class Follower {
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #stderr: Promise<string>;

  private constructor(replicaPath: string, copyPath: string, interval: string) {
    const args = ["restore", "-f", "-follow-interval", interval, "-o", copyPath, replicaPath];
    this.#child = Bun.spawn([...commandLine, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: commandEnvironment(),
    });
    this.#stderr = this.#child.stderr.text();
  }

  /** The first one is tried again while the replica has nothing to restore yet. */
  static async start(replicaPath: string, copyPath: string, interval: string): Promise<Follower> {
    for (;;) {
      const follower = new Follower(replicaPath, copyPath, interval);
      await waitUntil("a copy", () => existsSync(copyPath) || follower.#child.exitCode !== null);
      if (follower.#child.exitCode === null) return follower;
      if (!(await follower.#stderr).includes("no backup found")) throw new Error(await follower.#stderr);
      await Bun.sleep(200);
    }
  }

  requireRunning(): void {
    if (this.#child.exitCode !== null) throw new Error(`the follower ended with exit code ${this.#child.exitCode}`);
  }

  /** @returns what it wrote to standard error */
  async kill(): Promise<string> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    return this.#stderr;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    if ((await this.#child.exited) !== 0) throw new Error(`the follower failed: ${await this.#stderr}`);
  }
}

interface Seen {
  readonly n: number;
  readonly atMs: number;
}

class Reader implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #kind: string;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #read: Promise<void>;
  readonly #stderr: Promise<string>;
  #looks = 0;

  constructor(path: string, kind: "held" | "fresh") {
    this.#kind = kind;
    const script = join(import.meta.dirname, "reader-process.ts");
    this.#child = Bun.spawn([process.execPath, script, path, kind], { stdio: ["ignore", "pipe", "pipe"] });
    this.#stderr = this.#child.stderr.text();
    this.#read = this.#readLines();
  }

  last(): number {
    return this.seen.at(-1)?.n ?? 0;
  }

  requireRunning(): void {
    if (this.#child.exitCode !== null) throw new Error(`the reader "${this.#kind}" ended: it saw what it must not see`);
  }

  /** @returns how often it looked */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    await this.#read;
    if ((await this.#child.exited) !== 0) throw new Error(`the reader "${this.#kind}": ${await this.#stderr}`);
    return this.#looks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = this.#child.exitCode !== null;
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    if (isOver && this.#child.exitCode !== 0) console.error(`the reader "${this.#kind}": ${await this.#stderr}`);
  }

  async #readLines(): Promise<void> {
    const decoder = new TextDecoder();
    let held = "";
    for await (const chunk of this.#child.stdout) {
      const lines = (held + decoder.decode(chunk, { stream: true })).split("\n");
      held = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string): void {
    const said = JSON.parse(line) as Seen | { readonly looks: number };
    if ("looks" in said) this.#looks = said.looks;
    else this.seen.push(said);
  }
}

function lagsOf(
  acknowledged: readonly Acknowledgement[],
  ...readers: readonly Reader[]
): Pick<FollowRun, "lagP50Ms" | "lagP99Ms" | "lagMaxMs"> {
  const lags: number[] = [];
  const seen = readers.map((reader) => reader.seen);
  const first = Math.max(...seen.map(([state]) => state?.n ?? 0));
  for (const { n, atMs } of acknowledged) {
    if (n <= first) continue;
    const times = seen.map((states) => states.find((state) => state.n >= n)?.atMs ?? Infinity);
    lags.push(Math.max(0, Math.min(...times) - atMs));
  }
  lags.sort((a, b) => a - b);
  const at = (share: number): number => lags[Math.min(lags.length - 1, Math.floor(lags.length * share))] ?? Number.NaN;
  return { lagP50Ms: at(0.5), lagP99Ms: at(0.99), lagMaxMs: at(1) };
}

function rowOf(run: FollowRun): string {
  const ms = (value: number): string => `${(value / 1000).toFixed(2)} s`;
  const cells = [run.layout, run.transactions, run.looks, run.states, run.kills, run.generations];
  return `| ${[...cells, ms(run.lagP50Ms), ms(run.lagP99Ms), ms(run.lagMaxMs)].join(" | ")} |`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "5" },
      layout: { type: "string", default: "whole" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  const layout = (["whole", "segments", "ltx"] as const).find((known) => known === values.layout);
  if (!(minutes > 0) || !Number.isInteger(seed) || layout === undefined) throw new Error("not a number, or no layout");
  console.log(`seed ${seed}, ${minutes} minutes, layout ${layout}`);
  const run = await runFollow({
    layout,
    seed,
    durationMs: minutes * 60_000,
    killEveryMs: 7000,
    generationEveryMs: 45_000,
  });
  if (run === undefined) throw new Error("Litestream's own binary could not be installed");
  console.log("| layout | transactions | looks | states seen | kills | generations | lag p50 | p99 | at most |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
  console.log(rowOf(run));
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`NOT AS PROMISED: ${errorMessage(error)}`);
    process.exitCode = 1;
  }
}
