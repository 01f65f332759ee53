import { constants } from "node:os";

type EndSignal = "SIGINT" | "SIGTERM";

/**
 * SIGINT and SIGTERM as an `AbortSignal`, so that what is half made is cleared away; a second one ends the process at
 * once. Disposing gives the signals back their usual effect.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  #received: EndSignal | undefined;

  constructor() {
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code that tells of the signal, as shells count; undefined while none came. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : 128 + constants.signals[this.#received];
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
  }

  readonly #onSignal = (signal: EndSignal): void => {
    if (this.#received !== undefined) process.exit(this.exitCode);
    this.#received = signal;
    this.#controller.abort(new Error(`interrupted by ${signal}; nothing was left behind`));
  };
}
