import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { openReplica, restore } from "@litestream/core";
import { SeededRandom, spawnWriter, type TempFolder, verifyWorkload } from "@litestream/testkit";
import { commandLine, run } from "../command.ts";
import { metaPathOf } from "../database-files.ts";
import { Replicator } from "../replicator.ts";

export interface ChurnOptions {
  readonly seed: number;
  /** Databases that come and go. */
  readonly rounds: number;
  /** Databases that stay and are written to all the while. */
  readonly steady: number;
  /** Transactions per second of each that stays. */
  readonly rate: number;
  /** Is told of each round. */
  readonly onRound?: (round: Round) => void;
}

/** How a database comes into the folder, and how it leaves it. */
export interface Round {
  readonly comes: "created there" | "moved there" | "beside what is none";
  readonly goes: "moved away" | "deleted" | "replaced";
  /** From the first moment that it was in the folder until it was reported as replicated. */
  readonly lagMs: number;
  /** Transactions that were acknowledged before it went (of what took its place), and that its replica holds. */
  readonly acknowledged: number;
  readonly restored: number;
}

export interface ChurnReport {
  readonly rounds: readonly Round[];
  readonly steady: readonly { readonly acknowledged: number; readonly restored: number }[];
  /** What the replicator said at its end, and how it ended. */
  readonly exitCode: number | null;
  readonly stderr: string;
}

const arrivals = ["created there", "moved there", "beside what is none"] as const;
const departures = ["moved away", "deleted", "replaced"] as const;

/** What a database gets that takes another's place. */
const replacementTransactions = 10;

/**
 * Puts databases into a watched folder and takes them out again, while others in it are written to without a pause.
 * Each is taken out as docs/config.md says: its application closes it, and `litestream sync -wait` has ended.
 */
export async function churn(folder: TempFolder, options: ChurnOptions): Promise<ChurnReport> {
  const random = new SeededRandom(options.seed);
  const watched = folder.join("watched");
  const replicas = folder.join("replicas");
  for (const path of [watched, replicas, folder.join("outside"), folder.join("restored")]) mkdirSync(path);
  const config = folder.join("litestream.yml");
  const socket = folder.join("control.sock");
  writeFileSync(
    config,
    JSON.stringify({
      socket: { enabled: true, path: socket },
      dbs: [{ dir: watched, pattern: "*.db", watch: true, replica: { path: replicas } }],
    }),
  );
  await using replicator = new Replicator(["-config", config], folder.join("trace.jsonl"));
  await replicator.waitForText("watching for more");

  const synced = async (path: string): Promise<void> => {
    const { exitCode, stderr } = await run([...commandLine, "sync", "-wait", "-socket", socket, path]);
    if (exitCode !== 0) throw new Error(`${path} could not be synced: ${stderr}`);
  };
  const restoredCount = async (name: string): Promise<number> => {
    const outputPath = folder.join("restored", name);
    await restore({ replica: openReplica({ path: `${replicas}/${name}` }), outputPath });
    const count = verifyWorkload(outputPath);
    rmSync(outputPath);
    return count;
  };

  await using writers = new AsyncDisposableStack();
  const steady = [];
  for (let index = 0; index < options.steady; index++) {
    const path = `${watched}/steady-${index}.db`;
    steady.push(writers.use(await spawnWriter({ path, seed: options.seed + index, rate: options.rate })));
  }

  const rounds: Round[] = [];
  for (let index = 0; index < options.rounds; index++) {
    const name = `round-${index}.db`;
    const path = `${watched}/${name}`;
    const comes = arrivals[random.below(arrivals.length)] ?? "created there";
    const goes = departures[random.below(departures.length)] ?? "deleted";
    const transactions = 5 + random.below(40);
    const seed = options.seed * 1000 + index;
    let writer = undefined;
    if (comes === "moved there") {
      const outside = folder.join("outside", name);
      await using before = await spawnWriter({ path: outside, seed, transactions });
      await before.exited;
      renameSync(outside, path);
    } else {
      if (comes === "beside what is none") writeFileSync(`${watched}/none-${index}.db`, "no database\n".repeat(400));
      writer = await spawnWriter({ path, seed, transactions });
    }
    const thereAtMs = Date.now();
    const first = await replicator.waitFor((event) => event.type === "replica-sync" && event.db === path);
    const lagMs = Math.max(0, Date.parse(first.time) - thereAtMs);
    let acknowledged = transactions;
    if (writer !== undefined) {
      await writer.exited;
      acknowledged = writer.lastAcknowledged();
      await writer[Symbol.asyncDispose]();
      await synced(path);
    }
    await leave(goes, path, folder, seed);
    if (goes !== "replaced") {
      await replicator.waitForText(`${path}: was taken out of the watched folder`);
      await replicator.waitForText(`${path}: stopped; `);
    }
    if (goes === "replaced") await synced(path);
    const restored = await restoredCount(name);
    if (goes === "replaced") acknowledged = replacementTransactions;
    const round = { comes, goes, lagMs, acknowledged, restored };
    rounds.push(round);
    options.onRound?.(round);
  }

  for (const writer of steady) await writer.stop();
  const { exitCode, stderr } = await replicator.kill("SIGTERM");
  const ends = [];
  for (const writer of steady) {
    ends.push({ acknowledged: writer.lastAcknowledged(), restored: await restoredCount(basename(writer.path)) });
  }
  return { rounds, steady: ends, exitCode, stderr };
}

async function leave(goes: Round["goes"], path: string, folder: TempFolder, seed: number): Promise<void> {
  const files = ["", "-wal", "-shm"].map((suffix) => `${path}${suffix}`).filter(existsSync);
  if (goes === "moved away") {
    for (const file of files) renameSync(file, folder.join("outside", `gone-${basename(file)}`));
    // What was taken out is whole, and nobody's any more.
    verifyWorkload(folder.join("outside", `gone-${basename(path)}`));
  } else {
    for (const file of files) rmSync(file);
  }
  if (goes !== "replaced") {
    rmSync(metaPathOf(path), { recursive: true, force: true });
    return;
  }
  await using writer = await spawnWriter({ path, seed: seed + 500, transactions: replacementTransactions });
  await writer.exited;
}
