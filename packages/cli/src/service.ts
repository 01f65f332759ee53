import { durationMsMax } from "./duration.ts";
import type { ExecutedApp } from "./exec.ts";
import { signalExitCode } from "./interrupt.ts";
import type { Log } from "./log/log.ts";
import { printError } from "./output.ts";
import { debugStack, describeError } from "./report.ts";

/** What `Service` runs. */
export interface Running {
  /** @throws what keeps it from starting; `stop` ends what was begun */
  start(): Promise<void>;
  /** Ends after a last sync. False when that could not be brought to a good end; the log has said why. */
  stop(): Promise<boolean>;
  /** Closes the databases at once: however the process ends, Bun's own way out must find none open. */
  closeNow(): void;
  /** The configuration is to be read again. */
  reload(): Promise<void>;
  /** Starts the application, if there is one to run. */
  execute(): Promise<ExecutedApp | undefined>;
}

/** Not everything is replicated: the log names what. */
export const incompleteExitCode = 2;

/**
 * Runs until a signal, or until the application ends. However the process ends, SQLite's connections are closed first:
 * Bun's own way out would truncate the WAL through one that is still open, while others use it.
 */
export class Service {
  readonly #running: Running;
  readonly #log: Log;
  #app: ExecutedApp | undefined;

  constructor(running: Running, log: Log) {
    this.#running = running;
    this.#log = log;
  }

  /** Resolves to the exit code, with everything closed. */
  async run(): Promise<number> {
    const stopped = Promise.withResolvers<NodeJS.Signals>();
    using cleanUp = new DisposableStack();
    const onEach = (names: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): void => {
      for (const name of names) {
        process.on(name, listener);
        cleanUp.defer(() => process.off(name, listener));
      }
    };
    cleanUp.defer(() => this.#running.closeNow());
    let signals = 0;
    const onSignal = (signal: NodeJS.Signals): void => {
      signals++;
      if (signals > 1) {
        this.#log.info(`${signal} received again: ending at once, without the last sync`);
        this.#app?.kill();
        process.exit(signalExitCode(signal));
      }
      if (this.#app === undefined) {
        stopped.resolve(signal);
        return;
      }
      this.#log.info(`${signal} received: waiting for ${this.#app.name} to end`);
      this.#app.forward(signal);
    };
    const onCrash = (error: unknown): void => {
      this.#log.error(`internal error, ending: ${describeError(error)}`);
      const stack = debugStack(error);
      if (stack !== undefined) printError(stack);
      process.exit(1);
    };
    const onExit = (): void => this.#running.closeNow();
    process.on("exit", onExit);
    process.on("uncaughtException", onCrash);
    process.on("unhandledRejection", onCrash);
    cleanUp.defer(() => {
      process.off("exit", onExit);
      process.off("uncaughtException", onCrash);
      process.off("unhandledRejection", onCrash);
    });
    onEach(["SIGINT", "SIGTERM"], onSignal);
    onEach(["SIGHUP"], () => this.#reload());
    onEach(["SIGQUIT", "SIGUSR1", "SIGUSR2"], (signal) => this.#app?.forward(signal));
    // An idle Bun ends by itself, with exit code 0; nothing that engines leave undone may look like a good end.
    const stayAlive = setInterval(() => {}, durationMsMax);
    cleanUp.defer(() => clearInterval(stayAlive));
    return await this.#runUntil(stopped.promise);
  }

  #reload(): void {
    this.#running.reload().catch((error: unknown) => this.#log.error(`reload: ${describeError(error)}`));
  }

  async #runUntil(stopped: Promise<NodeJS.Signals>): Promise<number> {
    const started = this.#start();
    const first = await Promise.race([stopped.then((signal) => ({ signal })), started]);
    if ("error" in first) {
      await this.#running.stop();
      throw first.error;
    }
    if ("signal" in first) return this.#stopAfter(first.signal);
    const app = this.#app;
    if (app === undefined) return this.#stopAfter(await stopped);
    const exitCode = await app.ended;
    this.#log.info(`${app.name} ended with exit code ${exitCode}: last sync`);
    const complete = await this.#running.stop();
    return exitCode !== 0 || complete ? exitCode : incompleteExitCode;
  }

  async #start(): Promise<{ error: unknown } | { started: true }> {
    try {
      await this.#running.start();
      this.#app = await this.#running.execute();
      return { started: true };
    } catch (error) {
      return { error };
    }
  }

  async #stopAfter(signal: NodeJS.Signals): Promise<number> {
    this.#log.info(`${signal} received: last sync (a second signal ends at once)`);
    return (await this.#running.stop()) ? 0 : incompleteExitCode;
  }
}
