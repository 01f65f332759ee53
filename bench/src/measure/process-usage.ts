/** What a process and its children have used until now, from Linux's /proc. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessUsage {
  /** Of the processes, threads that have ended included; in whole hundredths of a second. */
  readonly coarseCpuMs: number;
  /** By thread: those that have ended are missing. */
  readonly threads: ReadonlyMap<number, ThreadUsage>;
  /** The most that each had resident at any moment (VmHWM), added up. */
  readonly peakMemoryBytes: number;
  /** What is resident now. */
  readonly memoryBytes: number;
  /** Bytes given to write calls, of whatever file. */
  readonly writtenBytes: number;
  /** Bytes that dirtied pages on their way to a disk; what is written twice before it gets there counts once. */
  readonly diskWrittenBytes: number;
  readonly readBytes: number;
}

interface ThreadUsage {
  readonly cpuMs: number;
  /** How often it gave the processor up to wait for something, and so was woken again. */
  readonly wakeUps: number;
}

/** What was used between two looks. */
export interface UsedMeanwhile {
  readonly cpuMs: number;
  readonly wakeUps: number;
  readonly writtenBytes: number;
  readonly diskWrittenBytes: number;
  readonly readBytes: number;
}

/** utime and stime are in these, whatever the kernel's own tick is. */
const ticksPerSecond = 100;

/** @throws Error when the process is gone */
export function processUsage(pid: number): ProcessUsage {
  const usages = treeOf(pid).map((one) => usageOf(one));
  const total = (of: (usage: ProcessUsage) => number): number => usages.reduce((sum, usage) => sum + of(usage), 0);
  return {
    coarseCpuMs: total((usage) => usage.coarseCpuMs),
    threads: new Map(usages.flatMap(({ threads }) => [...threads])),
    peakMemoryBytes: total((usage) => usage.peakMemoryBytes),
    memoryBytes: total((usage) => usage.memoryBytes),
    writtenBytes: total((usage) => usage.writtenBytes),
    diskWrittenBytes: total((usage) => usage.diskWrittenBytes),
    readBytes: total((usage) => usage.readBytes),
  };
}

export function usageSince(before: ProcessUsage, after: ProcessUsage): UsedMeanwhile {
  const sinceThen = (of: (usage: ThreadUsage) => number): number =>
    [...after.threads].reduce((sum, [thread, usage]) => {
      const then = before.threads.get(thread);
      return sum + of(usage) - (then === undefined ? 0 : of(then));
    }, 0);
  return {
    // Neither reading is too high: one is coarse, the other lacks the threads that have ended.
    cpuMs: Math.max(
      after.coarseCpuMs - before.coarseCpuMs - 1000 / ticksPerSecond,
      sinceThen(({ cpuMs }) => cpuMs),
    ),
    wakeUps: sinceThen(({ wakeUps }) => wakeUps),
    writtenBytes: after.writtenBytes - before.writtenBytes,
    diskWrittenBytes: after.diskWrittenBytes - before.diskWrittenBytes,
    readBytes: after.readBytes - before.readBytes,
  };
}

/** Of all of its life until now. */
export function cpuMsOf({ coarseCpuMs, threads }: ProcessUsage): number {
  return Math.max(
    coarseCpuMs,
    [...threads.values()].reduce((sum, { cpuMs }) => sum + cpuMs, 0),
  );
}

function usageOf(pid: number): ProcessUsage {
  const folder = `/proc/${pid}`;
  const status = readFileSync(`${folder}/status`, "utf8");
  const io = readFileSync(`${folder}/io`, "utf8");
  return {
    coarseCpuMs: coarseCpuMs(folder),
    threads: new Map(threadsOf(pid).map((thread) => [thread, threadUsage(`${folder}/task/${thread}`)])),
    peakMemoryBytes: field(status, "VmHWM") * 1024,
    memoryBytes: field(status, "VmRSS") * 1024,
    writtenBytes: field(io, "wchar"),
    diskWrittenBytes: field(io, "write_bytes"),
    readBytes: field(io, "rchar"),
  };
}

function coarseCpuMs(folder: string): number {
  const stat = readFileSync(`${folder}/stat`, "utf8");
  // The name, in parentheses, may hold spaces; after it come the fields from the third on.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

function threadUsage(folder: string): ThreadUsage {
  const [nanoseconds] = readOrEmpty(`${folder}/schedstat`).split(" ");
  const wakeUps = field(readOrEmpty(`${folder}/status`), "voluntary_ctxt_switches");
  return { cpuMs: Number(nanoseconds ?? 0) / 1e6, wakeUps };
}

function threadsOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map(Number);
}

/** The process and all below it. */
function treeOf(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    readOrEmpty(`/proc/${pid}/task/${thread}/children`)
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
  );
  return [pid, ...children.flatMap((child) => treeOf(child))];
}

/** A thread may end between two looks. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);
}
