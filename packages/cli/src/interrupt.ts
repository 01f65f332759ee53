import { constants } from "node:os";
import { printError } from "./output.ts";

type EndSignal = "SIGINT" | "SIGTERM";

/**
 * SIGINT and SIGTERM as an `AbortSignal`, so that what is half done can be cleared away; a second one ends the process.
 * Disposing gives the signals back their usual effect.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  #received: EndSignal | undefined;

  constructor() {
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Which one came; undefined before. */
  get received(): EndSignal | undefined {
    return this.#received;
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
  }

  readonly #onSignal = (signal: EndSignal): void => {
    if (this.#received !== undefined) process.exit(signalExitCode(signal));
    this.#received = signal;
    this.#controller.abort();
  };
}

/** As shells count: 128 and the number of the signal. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * Runs work that SIGINT and SIGTERM end: what it then throws is not an error, and the exit code that of the signal.
 * What the work holds (a progress bar, a database) is disposed of first.
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  using interrupt = new Interrupt();
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (interrupt.received === undefined) throw error;
    printError(`${interrupt.received} received: ended before it was done`);
    return signalExitCode(interrupt.received);
  }
}
