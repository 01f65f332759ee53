import {
  type Acknowledgement,
  readAcknowledgements,
  type SeededRandom,
  spawnWriter,
  type SyscallFault,
  type SyscallShim,
  type WriterProcess,
} from "@litestream/testkit";
import { pause, pick } from "./loops.ts";
import type { RoundPlan } from "./round-plan.ts";

/** How long a writer lives, not counting the time that it takes to start. */
const lifeMaxMs = 300;
/** How long an armed death is waited for: a writer may not come to such a call at all. */
const deathMaxMs = 700;

/**
 * A writer of the round's workload that is killed again and again, and goes on each time: at any moment, most of them
 * inside a flush, which is slowed down; or at a chosen system call of its commit or of its checkpoint.
 */
export class MortalWriter {
  readonly #path: string;
  readonly #logPath: string;
  readonly #plan: RoundPlan;
  readonly #shim: SyscallShim | undefined;
  #kills = 0;
  #killsInCommit = 0;

  /** @param shim undefined where there is none: then the moments of the kills are random only */
  constructor(path: string, logPath: string, plan: RoundPlan, shim: SyscallShim | undefined) {
    this.#path = path;
    this.#logPath = logPath;
    this.#plan = plan;
    this.#shim = shim;
  }

  get kills(): number {
    return this.#kills;
  }

  /** Those at a system call of a commit, so that it is certain that it was cut. */
  get killsInCommit(): number {
    return this.#killsInCommit;
  }

  acknowledged(): Acknowledgement[] {
    return readAcknowledgements(this.#logPath);
  }

  /** Makes the database, with its first transactions. */
  async begin(): Promise<void> {
    await using writer = await this.#spawn({ transactions: 3, whenDone: "hold" });
    await writer.waitUntilDone();
    await writer.kill();
  }

  /** Lives and dies until the signal comes; then it ends as it should. */
  async run(random: SeededRandom, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#slowDown();
      await using writer = await this.#spawn({});
      const isOver = await this.#live(writer, random, signal);
      if (isOver) {
        this.#shim?.disarm();
        await this.#stop(writer);
        return;
      }
      const exit = await writer.kill();
      if (exit.signal !== "SIGKILL") throw new Error(`the writer ended by itself (${exit.exitCode}): ${exit.stderr}`);
      this.#kills += 1;
    }
  }

  /** @returns true when the signal came first */
  async #live(writer: WriterProcess, random: SeededRandom, signal: AbortSignal): Promise<boolean> {
    if (this.#shim === undefined || random.below(2) === 0) {
      await pause(random.below(lifeMaxMs), signal);
      return signal.aborted;
    }
    await pause(random.below(lifeMaxMs / 3), signal);
    const fault = randomDeath(random);
    this.#shim.arm(fault);
    const death = this.#shim.reached(writer.exited).then(
      () => true,
      () => false,
    );
    await Promise.race([death, pause(deathMaxMs, signal)]);
    this.#shim.disarm();
    // It may have come just before the fault was taken back.
    const isDead = await death;
    if (isDead && fault.file === "wal") this.#killsInCommit += 1;
    return !isDead && signal.aborted;
  }

  /** Death may have come after all, just before it was taken back. */
  async #stop(writer: WriterProcess): Promise<void> {
    try {
      await writer.stop();
    } catch (error) {
      if ((await writer.exited).signal !== "SIGKILL") throw error;
      this.#kills += 1;
    }
  }

  #slowDown(): void {
    const { flushDelayMs: delayMs } = this.#plan;
    this.#shim?.arm({ call: "sync", file: "wal", action: "delay", delayMs, times: Infinity });
  }

  #spawn(options: { transactions?: number; whenDone?: "hold" }): Promise<WriterProcess> {
    const { seed, pageSize, profile, pagesPerTransaction, rowsMax, rate, synchronous, autocheckpointPages } =
      this.#plan;
    return spawnWriter({
      path: this.#path,
      logPath: this.#logPath,
      seed,
      pageSize,
      profile,
      pagesPerTransaction,
      rowsMax,
      rate,
      synchronous,
      autocheckpointPages,
      busyTimeoutMs: 60_000,
      ...(this.#shim === undefined ? {} : { environment: this.#shim.environment }),
      ...options,
    });
  }
}

/** In the middle of a commit: while it writes its frames, or flushes them. Or in the middle of a checkpoint. */
function randomDeath(random: SeededRandom): SyscallFault {
  const nth = 1 + random.below(6);
  return pick<SyscallFault>(random, [
    { call: "sync", file: "wal", action: "kill", nth },
    { call: "sync", file: "wal", action: "kill", when: "after", nth },
    { call: "write", file: "wal", action: "kill", when: "after", nth: 1 + random.below(60) },
    { call: "write", file: "wal", action: "torn", bytes: random.below(512), nth: 1 + random.below(60) },
    { call: "write", file: "db", action: "kill", nth },
    { call: "sync", file: "db", action: "kill", nth: 1 },
  ]);
}
