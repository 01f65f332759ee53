import { processState, signalProcess, untilNotRunning } from "./process-state.ts";

export interface ProcessOptions {
  /** The program and its arguments. No shell around it: signals go to this one process. */
  readonly command: readonly string[];
  /** Added to this process's own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Whose lines are looked at. Default `stdout`. */
  readonly stream?: "stdout" | "stderr";
  /** Which of its lines are events. Default: all of them. */
  readonly isEvent?: (line: string) => boolean;
}

export interface RunProcessOptions extends ProcessOptions {
  /** Ends the process at this event, counted from 1. Default: it ends by itself. */
  readonly killAtEvent?: number;
  /** What it is ended with. Default `SIGKILL`. */
  readonly signal?: NodeJS.Signals;
}

/** How a process ended, and what it said. */
export interface ProcessExit {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | number | null;
  /** The event lines, without their ends. There may be more of them than the process was to live for. */
  readonly events: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
}

interface Waiter {
  readonly n: number;
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** A process that is watched by its lines and driven by signals; see `spawnProcess`. Disposal kills it. */
export class ObservedProcess implements AsyncDisposable {
  /** Settles when the process is gone and all it wrote is read; never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly #options: ProcessOptions;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #onEvent: (n: number) => void;
  readonly #events: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #exit: ProcessExit | undefined;

  constructor(options: ProcessOptions, onEvent: (n: number) => void = () => {}) {
    this.#options = options;
    this.#onEvent = onEvent;
    this.#child = Bun.spawn([...options.command], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.exited = this.#untilExit();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The event lines so far. */
  get events(): readonly string[] {
    return [...this.#events];
  }

  /** Resolves to the `n`th event line, from 1. Rejects if the process ends before. */
  async waitForEvent(n: number = 1): Promise<string> {
    if (!Number.isInteger(n) || n < 1) throw new RangeError(`events are counted from 1, not ${n}`);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiters.add({ n, resolve, reject });
    this.#settle();
    return promise;
  }

  /** Halts it (SIGSTOP), and resolves when all its threads are. Rejects if it ends instead. */
  async stop(): Promise<void> {
    this.#signal("SIGSTOP");
    if ((await untilNotRunning(this.pid)) === "stopped") return;
    throw new Error(`${this.#name} ended before it was halted: ${describeExit(await this.exited)}`);
  }

  /** Lets it go on after `stop`. */
  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Sends a signal, lets the process go on to take it if it is halted, and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<ProcessExit> {
    this.#signal(signal);
    if (signal !== "SIGKILL" && processState(this.pid) === "stopped") this.#signal("SIGCONT");
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  get #name(): string {
    return this.#options.command.join(" ");
  }

  #signal(signal: NodeJS.Signals): void {
    // Once it was waited for, its id may be another's.
    if (this.#child.exitCode === null && this.#child.signalCode === null) signalProcess(this.pid, signal);
  }

  async #untilExit(): Promise<ProcessExit> {
    const { stdout, stderr } = this.#child;
    const watched = this.#options.stream ?? "stdout";
    const [out, error, exitCode] = await Promise.all([
      watched === "stdout" ? this.#watch(stdout) : stdout.text(),
      watched === "stderr" ? this.#watch(stderr) : stderr.text(),
      this.#child.exited,
    ]);
    const signal = this.#child.signalCode;
    const exit: ProcessExit = {
      exitCode: signal === null ? exitCode : null,
      signal,
      events: this.events,
      stdout: out,
      stderr: error,
    };
    this.#exit = exit;
    this.#settle();
    return exit;
  }

  /** @returns all that came through the stream */
  async #watch(stream: ReadableStream<Uint8Array>): Promise<string> {
    const decoder = new TextDecoder();
    let all = "";
    let line = "";
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      all += text;
      const lines = (line + text).split("\n");
      line = lines.pop() ?? "";
      for (const whole of lines) this.#take(whole);
    }
    const rest = decoder.decode();
    if (line + rest !== "") this.#take(line + rest);
    return all + rest;
  }

  #take(line: string): void {
    if (this.#options.isEvent !== undefined && !this.#options.isEvent(line)) return;
    this.#events.push(line);
    this.#onEvent(this.#events.length);
    this.#settle();
  }

  #settle(): void {
    for (const waiter of this.#waiters) {
      const line = this.#events[waiter.n - 1];
      if (line !== undefined) waiter.resolve(line);
      else if (this.#exit !== undefined) waiter.reject(this.#missed(waiter.n, this.#exit));
      else continue;
      this.#waiters.delete(waiter);
    }
  }

  #missed(n: number, exit: ProcessExit): Error {
    return new Error(
      `${this.#name} ended after ${this.#events.length} events, before event ${n}: ${describeExit(exit)}`,
    );
  }
}

/**
 * Starts a command whose lines are its events:
 *
 *     await using child = spawnProcess({ command, isEvent: (line) => line.includes("segment written") });
 *     await child.waitForEvent(3);
 *     await child.stop();
 */
export function spawnProcess(options: ProcessOptions): ObservedProcess {
  return new ObservedProcess(options);
}

/**
 * Runs a command to its end, by itself or by a signal at its Nth event line. The signal is sent as soon as the line is
 * read; what the process does between writing the line and taking the signal, it has done: to end it at one place
 * exactly there is `createSyscallShim`.
 */
export async function runProcess(options: RunProcessOptions): Promise<ProcessExit> {
  const { killAtEvent, signal = "SIGKILL" } = options;
  if (killAtEvent !== undefined && !(Number.isInteger(killAtEvent) && killAtEvent >= 1)) {
    throw new RangeError(`killAtEvent is counted from 1, not ${killAtEvent}`);
  }
  await using child = new ObservedProcess(options, (n) => {
    if (n === killAtEvent) signalProcess(child.pid, signal);
  });
  return await child.exited;
}

function describeExit({ exitCode, signal, stderr }: ProcessExit): string {
  const end = signal === null ? `it exited with ${exitCode}` : `${signal} ended it`;
  return stderr.trim() === "" ? end : `${end} (${stderr.trim()})`;
}
