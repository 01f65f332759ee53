import { Database } from "bun:sqlite";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isLitestreamError, openReplica, restore } from "@litestream/core";
import {
  committedPrefix,
  createSyscallShim,
  integrityCheck,
  pagesDigest,
  SeededRandom,
  syscallShimObstacle,
  verifyWorkload,
} from "@litestream/testkit";
import { Loops, pause, within } from "./loops.ts";
import { MortalWriter } from "./mortal-writer.ts";
import { checkpointer, OtherWriter, reader, vacuumer } from "./neighbours.ts";
import { Replication, type ReplicationRecord } from "./replication.ts";
import type { RoundPlan } from "./round-plan.ts";
import { Witness } from "./witness.ts";
import type { Testimony } from "./witness-protocol.ts";

export interface RoundRecord extends ReplicationRecord {
  readonly pageSize: number;
  /** Transactions acknowledged to the workload's writer, and to the others. */
  readonly transactions: number;
  readonly writerKills: number;
  readonly writerKillsInCommit: number;
  /** Of a restored replica with the live database, page for page, while its writers were kept out. */
  readonly comparisons: number;
  /** Restores at a moment of no choosing, which held all that had been reported. */
  readonly restores: number;
}

/** How long a replicator may take to report what is in the database. */
const catchUpMs = 60_000;

/**
 * One database, attacked for so long.
 * @throws Error that says what differs; what is in `folder` stays then
 */
export async function runRound(plan: RoundPlan, durationMs: number, folder: string): Promise<RoundRecord> {
  const dbPath = join(folder, "app.db");
  await using stack = new AsyncDisposableStack();
  const shim = syscallShimObstacle() === undefined ? stack.use(await createSyscallShim({ path: dbPath })) : undefined;
  const writer = new MortalWriter(dbPath, join(folder, "acknowledged.log"), plan, shim);
  await writer.begin();
  const others = Array.from({ length: plan.otherWriters }, (_, number) => new OtherWriter(dbPath, number));
  const replication = stack.use(
    new Replication({
      dbPath,
      replicaPath: join(folder, "replica"),
      workPath: join(folder, "work"),
      settings: plan.settings,
    }),
  );
  const witness = stack.use(await Witness.of(dbPath));
  const round = new Round(plan, folder, dbPath, writer, others, replication, witness);
  return await round.run(durationMs);
}

class Round {
  readonly #plan: RoundPlan;
  readonly #folder: string;
  readonly #dbPath: string;
  readonly #writer: MortalWriter;
  readonly #others: readonly OtherWriter[];
  readonly #replication: Replication;
  readonly #witness: Witness;
  #comparisons = 0;
  #restores = 0;

  constructor(
    plan: RoundPlan,
    folder: string,
    dbPath: string,
    writer: MortalWriter,
    others: readonly OtherWriter[],
    replication: Replication,
    witness: Witness,
  ) {
    this.#plan = plan;
    this.#folder = folder;
    this.#dbPath = dbPath;
    this.#writer = writer;
    this.#others = others;
    this.#replication = replication;
    this.#witness = witness;
  }

  async run(durationMs: number): Promise<RoundRecord> {
    const loops = new Loops();
    loops.start((signal) => this.#writer.run(this.#random(1), signal));
    loops.start((signal) => checkpointer(this.#dbPath, this.#random(2), signal));
    loops.start((signal) => vacuumer(this.#dbPath, this.#random(3), signal));
    for (const [number, other] of this.#others.entries()) {
      loops.start((signal) => other.run(this.#random(10 + number), signal));
    }
    for (let number = 0; number < this.#plan.readers; number++) {
      loops.start((signal) => reader(this.#dbPath, this.#random(20 + number), signal));
    }
    try {
      await this.#attack(durationMs, loops.signal);
    } finally {
      await loops.end();
    }
    await this.#compare({ afterFinalSync: true });
    await this.#witness[Symbol.asyncDispose]();
    requireSound(this.#dbPath);
    if (this.#others.length === 0) verifyWorkload(this.#dbPath);
    return this.#record();
  }

  /** Replicates, is killed, restores and compares, until the time is over. */
  async #attack(durationMs: number, signal: AbortSignal): Promise<void> {
    const random = this.#random(0);
    const untilMs = performance.now() + durationMs;
    await this.#replication.start();
    while (!signal.aborted && performance.now() < untilMs) {
      await pause(random.below(800), signal);
      const choice = random.below(100);
      if (choice < 45) {
        await this.#compare({ afterFinalSync: false });
      } else if (choice < 70) {
        await this.#restoreNow();
      } else {
        if (choice < 90) await this.#replication.kill();
        else await this.#compare({ afterFinalSync: true });
        await pause(random.below(400), signal);
        await this.#replication.start();
      }
    }
  }

  /** Keeps writers out, has everything replicated, and restores it: that must be the database, page for page. */
  async #compare(options: { readonly afterFinalSync: boolean }): Promise<void> {
    const testimony = await this.#witness.hold();
    try {
      if (options.afterFinalSync) {
        await within(catchUpMs, "the final sync", this.#replication.stop());
      } else {
        // Nothing says which WAL an empty one follows.
        if (testimony.mxFrame === 0) return;
        await within(catchUpMs, "all of the WAL to be reported as replicated", this.#replicated(testimony));
      }
      const outputPath = join(this.#folder, "compared.db");
      await restore({ replica: openReplica({ path: this.#replicaPath }), outputPath });
      if (pagesDigest(outputPath) !== testimony.pagesDigest) throw await this.#difference(outputPath, testimony);
      this.#requireReported(outputPath, this.#writer.acknowledged().at(-1)?.n ?? 0, Infinity);
      remove(outputPath);
      this.#comparisons += 1;
    } finally {
      await this.#witness.release();
    }
  }

  /** Restores whatever the replica is now, while everybody goes on. */
  async #restoreNow(): Promise<void> {
    const asOfMs = this.#replication.asOfMs();
    const reported = this.#replication.reportedOf(this.#writer.acknowledged());
    const reportedOfOthers = this.#others.map((other) => this.#replication.reportedOf(other.acknowledged()));
    const outputPath = join(this.#folder, "restored.db");
    try {
      await restore({ replica: openReplica({ path: this.#replicaPath }), outputPath });
    } catch (error) {
      if (isLitestreamError(error, "NO_BACKUP") && asOfMs === 0) return;
      throw error;
    }
    requireSound(outputPath);
    this.#requireReported(outputPath, reported, await this.#witness.committed());
    for (const [number, other] of this.#others.entries()) {
      const atLeast = reportedOfOthers[number] ?? 0;
      const restored = atLeast === 0 ? 0 : lastOf(outputPath, other.table);
      if (restored < atLeast) throw new Error(`${other.table}: ${atLeast} was reported, ${restored} is restored`);
    }
    remove(outputPath);
    this.#restores += 1;
  }

  get #replicaPath(): string {
    return join(this.#folder, "replica");
  }

  /** Resolves when the whole of the live WAL was reported as replicated. */
  #replicated({ mxFrame, pageSize, salts }: Testimony): Promise<void> {
    return this.#replication.waitForPosition(32 + mxFrame * (24 + pageSize), (generation, index) => {
      const header = readIfThere(join(this.#replicaPath, "generations", generation, "wal", `${index}.wal`));
      return header?.toString("hex", 16, 24) === salts;
    });
  }

  #requireReported(path: string, atLeast: number, atMost: number): void {
    const restored = committedPrefix(path);
    if (restored >= atLeast && restored <= atMost) return;
    throw new Error(`transaction ${restored} is the last restored, though ${atLeast} was reported, of ${atMost}`);
  }

  async #difference(outputPath: string, { pageSize }: Testimony): Promise<Error> {
    const expectedPath = join(this.#folder, "expected.db");
    await this.#witness.dump(expectedPath);
    const [actual, expected] = [readFileSync(outputPath), readFileSync(expectedPath)];
    const pages: number[] = [];
    for (let at = 0; at < Math.max(actual.byteLength, expected.byteLength); at += pageSize) {
      const isSame = Buffer.compare(actual.subarray(at, at + pageSize), expected.subarray(at, at + pageSize)) === 0;
      if (!isSame) pages.push(1 + at / pageSize);
    }
    const sizes = `${actual.byteLength} and ${expected.byteLength} bytes`;
    return new Error(
      `MISMATCH: ${pages.length} pages of the restored database are not the live one's: ` +
        `${pages.slice(0, 20).join(", ")} (${sizes})`,
    );
  }

  #record(): RoundRecord {
    const transactions = this.#others.reduce((sum, other) => sum + other.acknowledged().length, 0);
    return {
      ...this.#replication.record(),
      pageSize: this.#plan.pageSize,
      transactions: transactions + this.#writer.acknowledged().length,
      writerKills: this.#writer.kills,
      writerKillsInCommit: this.#writer.killsInCommit,
      comparisons: this.#comparisons,
      restores: this.#restores,
    };
  }

  #random(stream: number): SeededRandom {
    return new SeededRandom(this.#plan.seed, this.#plan.number, stream);
  }
}

function requireSound(path: string): void {
  const said = integrityCheck(path);
  if (said !== "ok") throw new Error(`${path}: integrity_check says: ${said}`);
}

/** The last row of another writer's table, 0 where there is none. */
function lastOf(path: string, table: string): number {
  using database = new Database(path, { readonly: true });
  return database.query<{ n: number | null }, []>(`SELECT max(n) AS n FROM ${table}`).get()?.n ?? 0;
}

/** A replica's file may be compressed at any time. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}
