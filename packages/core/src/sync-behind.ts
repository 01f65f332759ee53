import type { LocalFile } from "./local-file.ts";

/** What is written before a flush begins: little enough that the last one is short. */
const syncBehindBytes = 16 * 1024 * 1024;

/** Flushes a large file on another thread while it is written, so that the disk works from the beginning on. */
export class SyncBehind {
  readonly #file: LocalFile;
  #unsyncedBytes = 0;
  #runningCount = 0;
  /** Settles with the flushes that are running; never rejects. */
  #running: Promise<unknown> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(file: LocalFile) {
    this.#file = file;
  }

  /** @throws what an earlier flush failed with */
  written(bytes: number): void {
    this.#throwFailure();
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes >= syncBehindBytes && this.#runningCount === 0) this.begin();
  }

  /** Lets the disk begin with all that was written until now, also where an earlier flush is still running. */
  begin(): void {
    if (this.#unsyncedBytes === 0) return;
    this.#unsyncedBytes = 0;
    this.#runningCount++;
    const flush = this.#file
      .syncInBackground()
      .catch((error: unknown) => {
        // The system reports an error of the disk once: the last flush would know nothing of it.
        this.#failure ??= { error };
      })
      .finally(() => this.#runningCount--);
    this.#running = Promise.all([this.#running, flush]);
  }

  /** Resolves when all that was written is durable; others have their turn meanwhile. */
  async end(): Promise<void> {
    await this.#running;
    this.#throwFailure();
    await this.#file.syncInBackground();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
