import { formatPosition, type Position } from "@litestream/core";
import { durationMsMax } from "./duration.ts";
import { signalExitCode } from "./interrupt.ts";
import type { Log } from "./log.ts";
import { printError } from "./output.ts";
import { debugStack, describeError } from "./report.ts";

/** What `Service` needs of core's `Litestream`. */
export interface Engine {
  start(): Promise<void>;
  /** Resolves to the position that every replica has; undefined if the database never was there. */
  stop(): Promise<Position | undefined>;
  closeNow(): void;
}

export interface Managed {
  readonly path: string;
  readonly engine: Engine;
}

type StopSignal = "SIGINT" | "SIGTERM";

/**
 * Runs engines until a signal. However the process ends, SQLite's connections are closed first: Bun's own way out would
 * truncate the WAL through one that is still open, while others use it.
 */
export class Service {
  readonly #managed: readonly Managed[];
  readonly #log: Log;

  constructor(managed: readonly Managed[], log: Log) {
    this.#managed = managed;
    this.#log = log;
  }

  /** Resolves to the exit code, with everything closed. */
  async run(): Promise<number> {
    const stopped = Promise.withResolvers<StopSignal>();
    let signals = 0;
    const onSignal = (signal: StopSignal): void => {
      signals++;
      if (signals === 1) {
        stopped.resolve(signal);
        return;
      }
      this.#log.line(`${signal} received again: ending at once, without the last sync`);
      process.exit(signalExitCode(signal));
    };
    const onCrash = (error: unknown): void => {
      this.#log.line(`internal error, ending: ${describeError(error)}`);
      const stack = debugStack(error);
      if (stack !== undefined) printError(stack);
      process.exit(1);
    };
    const onExit = (): void => this.#closeNow();
    process.on("exit", onExit);
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    process.on("uncaughtException", onCrash);
    process.on("unhandledRejection", onCrash);
    // An idle Bun ends by itself, with exit code 0; nothing that engines leave undone may look like a good end.
    const stayAlive = setInterval(() => {}, durationMsMax);
    try {
      return await this.#runUntil(stopped.promise);
    } finally {
      clearInterval(stayAlive);
      this.#closeNow();
      process.off("exit", onExit);
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      process.off("uncaughtException", onCrash);
      process.off("unhandledRejection", onCrash);
    }
  }

  async #runUntil(stopped: Promise<StopSignal>): Promise<number> {
    // All at once: one that waits for its database must not keep the others from starting.
    const starts = this.#managed.map(({ engine }) => engine.start());
    const failed = Promise.all(starts).then(
      () => new Promise<never>(() => {}),
      (error: unknown) => ({ error }),
    );
    const end = await Promise.race([stopped, failed]);
    if (typeof end === "object") {
      await Promise.allSettled(this.#managed.map(({ engine }) => engine.stop()));
      throw end.error;
    }
    this.#log.line(`${end} received: last sync`);
    const complete = await this.#stopAll();
    return complete ? 0 : 1;
  }

  /** False when one could not be brought to a good end; the log has said why. */
  async #stopAll(): Promise<boolean> {
    const outcomes = await Promise.all(this.#managed.map((managed) => this.#stop(managed)));
    return outcomes.every(Boolean);
  }

  async #stop({ path, engine }: Managed): Promise<boolean> {
    try {
      const position = await engine.stop();
      this.#log.line(
        position === undefined
          ? `${path}: stopped; nothing was replicated, for the database was not there`
          : `${path}: stopped; every replica is at ${formatPosition(position)}`,
      );
      return true;
    } catch (error) {
      this.#log.line(`${path}: stopped; the last sync failed: ${describeError(error)}`);
      return false;
    }
  }

  #closeNow(): void {
    for (const { engine } of this.#managed) {
      try {
        engine.closeNow();
      } catch (error) {
        this.#log.line(`closing failed: ${describeError(error)}`);
      }
    }
  }
}
