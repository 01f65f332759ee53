import type { ServerResponse } from "node:http";
import type { DatabaseDocument, StatusDocument } from "./status-document.ts";

const tickMs = 1000;
/** A database of which nothing is new but the time is told again after so many ticks. */
const refreshTicks = 10;
const listenersMax = 64;
/** More is not kept for a client that is slow. */
const pendingBytesMax = 1 << 20;

/**
 * Server-sent events over the status: first all of it, then each second what has changed, worked out once for all who
 * listen; nothing happens while nobody does.
 */
export class Live implements Disposable {
  readonly #document: () => Promise<StatusDocument>;
  readonly #stallMs: number;
  /** With the time since when they have not taken all that they were sent. */
  readonly #listeners = new Map<ServerResponse, number | undefined>();
  readonly #told = new Map<string, string>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #ticks = 0;
  #isBusy = false;

  /** @param stallMs a client that takes nothing for so long is sent away */
  constructor(document: () => Promise<StatusDocument>, stallMs: number) {
    this.#document = document;
    this.#stallMs = stallMs;
  }

  /** @returns false when too many listen already */
  async add(response: ServerResponse, begin: (response: ServerResponse) => void): Promise<boolean> {
    if (this.#listeners.size >= listenersMax) return false;
    this.#listeners.set(response, undefined);
    response.once("close", () => this.#remove(response));
    response.once("error", () => this.#remove(response));
    const document = await this.#document();
    if (!this.#listeners.has(response)) return true;
    begin(response);
    this.#send(response, eventText("status", document));
    this.#timer ??= setInterval(() => void this.#tick(), tickMs);
    return true;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const listener of this.#listeners.keys()) listener.destroy();
    this.#listeners.clear();
  }

  #remove(response: ServerResponse): void {
    this.#listeners.delete(response);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#told.clear();
  }

  async #tick(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const { databases, ...rest } = await this.#document();
      this.#ticks++;
      const changed = databases.filter((database) => this.#isNew(database));
      const isAll = this.#told.size > databases.length;
      if (isAll) this.#forgetOthers(databases);
      const message = eventText(isAll ? "status" : "changes", { ...rest, databases: isAll ? databases : changed });
      for (const listener of this.#listeners.keys()) this.#send(listener, message);
    } finally {
      this.#isBusy = false;
    }
  }

  #isNew(database: DatabaseDocument): boolean {
    const text = JSON.stringify(database, (key, value: unknown) =>
      key === "asOfMs" || key === "syncCount" ? undefined : value,
    );
    const isDue = this.#ticks % refreshTicks === 0;
    if (this.#told.get(database.path) === text && !isDue) return false;
    this.#told.set(database.path, text);
    return true;
  }

  #forgetOthers(databases: readonly DatabaseDocument[]): void {
    const paths = new Set(databases.map(({ path }) => path));
    for (const path of this.#told.keys()) if (!paths.has(path)) this.#told.delete(path);
  }

  #send(listener: ServerResponse, message: string): void {
    const nowMs = performance.now();
    const isBehind = listener.writableLength > 0;
    const sinceMs = isBehind ? (this.#listeners.get(listener) ?? nowMs) : undefined;
    this.#listeners.set(listener, sinceMs);
    if (sinceMs !== undefined && nowMs - sinceMs >= this.#stallMs) {
      listener.destroy();
      this.#remove(listener);
    } else if (listener.writableLength <= pendingBytesMax) {
      listener.write(message);
    }
  }
}

function eventText(name: string, value: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
