import { readFileSync } from "node:fs";

const pollMs = 5;

/**
 * The most memory that process `pid` had resident until now, in bytes, its shared libraries and program text included.
 * Undefined once it is gone, and where there is no /proc.
 */
export function peakMemoryBytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

/**
 * Follows the peak of a process to its end: what wait4 reports of a child that was forked includes the memory of its
 * parent. What the process takes in its last few milliseconds is missed.
 */
export class PeakMemory implements Disposable {
  readonly #pid: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #bytes: number | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), pollMs);
    this.#look();
  }

  /** Undefined where there is no /proc. */
  get bytes(): number | undefined {
    this.#look();
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#bytes = peakMemoryBytes(this.#pid) ?? this.#bytes;
  }
}
