import { type FSWatcher, readSync, openSync, closeSync, watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { LitestreamEvent } from "@litestream/core";
import { commandEnvironment, commandLine } from "./command.ts";
import { type DatabaseSettings, writeConfigFile } from "./config-file.ts";

/** An event as the trace file has it: positions in their text form, and when it was written. */
export type TracedEvent = Traced<LitestreamEvent>;
type Traced<E> = E extends { readonly position: unknown }
  ? Omit<E, "position"> & { readonly position: string; readonly time: string }
  : E & { readonly time: string };
export type TracedReplicaSync = Extract<TracedEvent, { type: "replica-sync" }>;

export interface ReplicatorOptions {
  readonly dbPath: string;
  readonly replicaPath: string;
  /** For the trace and the configuration file; made if absent, and for nothing else. */
  readonly workPath: string;
  /** Given in a configuration file. Without any, the database and its replica are arguments. */
  readonly settings?: DatabaseSettings;
}

export interface ReplicatorExit {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | number | null;
  readonly stderr: string;
}

interface Waiter {
  /** Events before this one were looked at. */
  next: number;
  readonly isAwaited: (event: TracedEvent) => boolean;
  readonly resolve: (event: TracedEvent) => void;
  readonly reject: (error: Error) => void;
}

/** File events can be lost; the trace is also looked at this often. */
const pollMs = 200;

/** `litestream replicate` in a process of its own, seen through its trace. Disposing kills it, if it still runs. */
export class Replicator implements AsyncDisposable {
  readonly tracePath: string;
  /** Settles when the process is gone, and all of its trace was read. */
  readonly exited: Promise<ReplicatorExit>;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #events: TracedEvent[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #watcher: FSWatcher;
  readonly #timer: ReturnType<typeof setInterval>;
  #stderr = "";
  #saidMore = Promise.withResolvers<void>();
  #exit: ReplicatorExit | undefined;
  #readBytes = 0;
  /** A line that has not ended yet. */
  #held = "";

  constructor(args: readonly string[], tracePath: string) {
    this.tracePath = tracePath;
    this.#watcher = watch(dirname(tracePath), (_event, name) => {
      if (name === basename(tracePath)) this.#readTrace();
    });
    this.#timer = setInterval(() => this.#readTrace(), pollMs);
    this.#child = Bun.spawn([...commandLine, "replicate", "-trace", tracePath, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: commandEnvironment(),
    });
    this.exited = this.#untilExit();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it wrote to standard error until now. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Everything that happened until now. */
  events(): readonly TracedEvent[] {
    this.#readTrace();
    return this.#events;
  }

  /** Those events that reported something as replicated. */
  replicaSyncs(): TracedReplicaSync[] {
    return this.events().filter((event) => event.type === "replica-sync");
  }

  /** Everything that was acknowledged before this, in milliseconds since 1970, was reported as replicated. */
  asOfMs(): number {
    return Math.max(0, ...this.replicaSyncs().map((event) => event.asOfMs));
  }

  /** The first event, past or future, that `isAwaited`. Rejects if the process ends without one. */
  waitFor(isAwaited: (event: TracedEvent) => boolean): Promise<TracedEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<TracedEvent>();
    this.#waiters.add({ next: 0, isAwaited, resolve, reject });
    this.#readTrace();
    this.#settle();
    return promise;
  }

  /** The first report of something replicated that `isAwaited`; any, without it. */
  async waitForReplicated(isAwaited: (event: TracedReplicaSync) => boolean = () => true): Promise<void> {
    await this.waitFor((event) => event.type === "replica-sync" && isAwaited(event));
  }

  /**
   * Resolves when something was reported as replicated that came after `ms`, and so all that was acknowledged until
   * then. While nothing is written, nothing is reported.
   */
  async waitForAsOf(ms: number): Promise<void> {
    await this.waitForReplicated((event) => event.asOfMs > ms);
  }

  /** Resolves once it wrote `text` to standard error. */
  async waitForText(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) {
      if (this.#exit !== undefined) throw this.#missed(this.#exit);
      await Promise.race([this.#saidMore.promise, this.exited]);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<ReplicatorExit> {
    this.signal(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }

  async #untilExit(): Promise<ReplicatorExit> {
    const [exitCode] = await Promise.all([this.#child.exited, this.#readStderr()]);
    clearInterval(this.#timer);
    this.#watcher.close();
    this.#readTrace();
    const { signalCode } = this.#child;
    const exit = { exitCode: signalCode === null ? exitCode : null, signal: signalCode, stderr: this.#stderr };
    this.#exit = exit;
    this.#settle();
    return exit;
  }

  async #readStderr(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#stderr += text;
      this.#saidMore.resolve();
      this.#saidMore = Promise.withResolvers<void>();
    }
  }

  #readTrace(): void {
    let fd: number;
    try {
      fd = openSync(this.tracePath, "r");
    } catch {
      // It is there once the command has read its arguments.
      return;
    }
    try {
      const buffer = Buffer.alloc(1 << 16);
      for (;;) {
        const size = readSync(fd, buffer, 0, buffer.byteLength, this.#readBytes);
        if (size === 0) break;
        this.#readBytes += size;
        // Latin-1 keeps a character apart that lies across two reads.
        this.#held += buffer.toString("latin1", 0, size);
      }
    } finally {
      closeSync(fd);
    }
    const lines = this.#held.split("\n");
    this.#held = lines.pop() ?? "";
    if (lines.length === 0) return;
    for (const line of lines) this.#events.push(JSON.parse(Buffer.from(line, "latin1").toString()) as TracedEvent);
    this.#settle();
  }

  #settle(): void {
    for (const waiter of this.#waiters) {
      const found = this.#events.slice(waiter.next).find((event) => waiter.isAwaited(event));
      waiter.next = this.#events.length;
      if (found !== undefined) waiter.resolve(found);
      else if (this.#exit !== undefined) waiter.reject(this.#missed(this.#exit));
      else continue;
      this.#waiters.delete(waiter);
    }
  }

  #missed(exit: ReplicatorExit): Error {
    const last = JSON.stringify(this.#events.at(-1) ?? null);
    return new Error(
      `litestream replicate ended (${exit.signal ?? exit.exitCode}) before what was awaited; ` +
        `the last event was ${last}; it said:\n${exit.stderr}`,
    );
  }
}

let traces = 0;

/** Starts `litestream replicate`. */
export async function startReplicator(options: ReplicatorOptions): Promise<Replicator> {
  const { dbPath, replicaPath, workPath, settings } = options;
  await mkdir(workPath, { recursive: true });
  const name = `${process.pid}-${++traces}`;
  const tracePath = join(workPath, `trace-${name}.jsonl`);
  if (settings === undefined) return new Replicator([dbPath, replicaPath], tracePath);
  const configPath = join(workPath, `litestream-${name}.yml`);
  await writeConfigFile(configPath, dbPath, replicaPath, settings);
  return new Replicator(["-config", configPath], tracePath);
}
