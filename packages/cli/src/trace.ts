import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { type LitestreamEvent, type Position, errorMessage, formatPosition } from "@litestream/core";
import { canonicalPath, expandPath } from "./paths.ts";
import { withoutSecrets } from "./secrets.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The file of `-trace`: each event as one line of JSON, with the time. A line is handed to the operating system before
 * the event counts as reported, so that killing this process loses none. Positions are in their text form.
 */
export class Trace implements Disposable {
  readonly #fd: number;
  readonly #onFailure: (error: unknown) => void;
  #open = true;

  /**
   * Opens `path` for appending. `databases` are the files it may not be: closing a descriptor of a database drops
   * SQLite's locks, and a line of ours would damage it.
   * @throws UsageError when it is one of them or cannot be opened.
   */
  constructor(path: string, databases: readonly string[], onFailure: (error: unknown) => void) {
    const tracePath = canonicalPath(expandPath(path));
    for (const database of databases) {
      for (const suffix of ["", "-wal", "-shm", "-journal"]) {
        if (!isSameFile(tracePath, `${canonicalPath(database)}${suffix}`)) continue;
        throw new UsageError(`the trace file is part of the database ${database}: ${tracePath}`, "Name another file.");
      }
    }
    try {
      this.#fd = openSync(tracePath, "a");
    } catch (error) {
      throw new UsageError(`cannot open the trace file ${tracePath}: ${errorMessage(error)}`, "Name another file.");
    }
    this.#onFailure = onFailure;
  }

  observe(event: LitestreamEvent): void {
    if (!this.#open) return;
    const line = `${JSON.stringify({ time: new Date().toISOString(), ...event }, toPlain)}\n`;
    try {
      writeSync(this.#fd, withoutSecrets(line));
    } catch (error) {
      // A full disk must end the trace and not the replication.
      this[Symbol.dispose]();
      this.#onFailure(error);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }
}

function isSameFile(path: string, other: string): boolean {
  if (path === other) return true;
  const a = statSync(path, { throwIfNoEntry: false });
  const b = statSync(other, { throwIfNoEntry: false });
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function toPlain(key: string, value: unknown): unknown {
  if (key === "position" && isPosition(value)) return formatPosition(value);
  return value instanceof Error ? plainError(value) : value;
}

function isPosition(value: unknown): value is Position {
  return typeof value === "object" && value !== null && "generation" in value && "index" in value && "offset" in value;
}

function plainError(error: Error): Record<string, unknown> {
  return { ...Object.fromEntries(Object.entries(error)), name: error.name, message: error.message, cause: error.cause };
}
