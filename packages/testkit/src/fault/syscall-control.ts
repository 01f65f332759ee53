/** The memory that a test shares with the processes under its system call shim; the layout is syscall-shim.c's. */
import { writeFileSync } from "node:fs";
import { constants } from "node:os";

/** The calls, in the order of the shim's `enum call`. */
const calls = ["open", "read", "write", "fsync", "fdatasync", "truncate", "unlink", "rename", "lock"] as const;
/** The files, in the order of the shim's `enum file`. */
const files = ["db", "wal", "shm", "journal", "other"] as const;
const actions = ["stop", "kill", "error", "delay", "torn"] as const;

/**
 * A libc call. `write` is write and pwrite, `read` read and pread, `truncate` ftruncate, `lock` an fcntl that takes a
 * lock (not one that gives it back), `rename` that of the destination.
 */
export type Syscall = (typeof calls)[number];
/** A file of the database by its role; `other` is any file besides. Pipes, sockets and devices are no files here. */
export type SyscallFile = (typeof files)[number];

/** Calls made so far, whatever came of them. */
export interface SyscallCounts extends Readonly<Record<Syscall, number>> {
  /** fsync and fdatasync together. */
  readonly sync: number;
  readonly writtenBytes: number;
}

/** Which calls a fault is about. */
export interface SyscallTarget {
  /** `sync` is fsync or fdatasync, whichever the SQLite at hand was built to use. */
  readonly call: Syscall | "sync";
  /** A file of the database, `any` of its four, or, beginning with `/` or `.` or `-`, how the path of any file ends. */
  readonly file: Exclude<SyscallFile, "other"> | "any" | `${"/" | "." | "-"}${string}`;
  /** The matching call, counted from the arming, at which the action is taken; from 1. Default 1. */
  readonly nth?: number;
  /** Around the real call. Default `before`: it is not made, or not yet. */
  readonly when?: "before" | "after";
}

/**
 * What happens at that call.
 * - `stop`: the process stops itself (SIGSTOP), and after SIGCONT goes on from there.
 * - `kill`: it ends itself (SIGKILL).
 * - `error`: the call fails with `errno`, a name such as `EIO` or `ENOSPC`; with `after`, though it was carried out.
 * - `delay`: the call takes `delayMs` longer.
 * - `torn`: of a write only the first `bytes` are written, then the process ends itself. Always `before`.
 *
 * `times`: at how many matching calls, one after the other; Infinity for good. Default 1.
 */
export type SyscallAction =
  | { readonly action: "stop"; readonly times?: number }
  | { readonly action: "kill" }
  | { readonly action: "error"; readonly errno: keyof typeof constants.errno; readonly times?: number }
  | { readonly action: "delay"; readonly delayMs: number; readonly times?: number }
  | { readonly action: "torn"; readonly bytes: number };

export type SyscallFault = SyscallTarget & SyscallAction;

const controlBytes = 9216;
const hitsOffset = 40;
const countsOffset = 64;
const suffixOffset = 512;
const suffixBytesMax = 511;
const pathOffset = 1024;
const pathBytesMax = 4095;
const pidsOffset = 5120;
const pidsMax = 1024;
const u32Max = 0xffffffff;

/** Fields of 32 bits, by their index. */
const field = {
  generation: 0,
  call: 1,
  file: 2,
  nth: 3,
  times: 4,
  when: 5,
  action: 6,
  value: 7,
  process: 12,
  processes: 13,
} as const;

/** Both halves are of the arming they belong to: its number, and how often it was met. */
export interface SyscallHits {
  readonly generation: number;
  readonly hits: number;
  /** The process of the last one. */
  readonly pid: number;
}

export class SyscallControl {
  readonly #bytes: Uint8Array;
  readonly #fields: Uint32Array;
  readonly #wide: BigUint64Array;
  #lastGeneration = 0;

  /** Makes the control file at `path` for the database at `databasePath`, and maps it. */
  constructor(path: string, databasePath: string) {
    const database = Buffer.from(databasePath);
    if (database.length > pathBytesMax) throw new RangeError(`the path is too long for a file: ${databasePath}`);
    const content = Buffer.alloc(controlBytes);
    database.copy(content, pathOffset);
    writeFileSync(path, content, { mode: 0o600 });
    this.#bytes = Bun.mmap(path, { shared: true });
    this.#fields = new Uint32Array(this.#bytes.buffer, this.#bytes.byteOffset, controlBytes / 4);
    this.#wide = new BigUint64Array(this.#bytes.buffer, this.#bytes.byteOffset, controlBytes / 8);
  }

  /** Number of the arming that holds, 0 for none. */
  get generation(): number {
    return Atomics.load(this.#fields, field.generation);
  }

  /** Replaces what is armed. @returns the number of this arming */
  arm(fault: SyscallFault): number {
    const { nth = 1, when = "before" } = fault;
    const times = fault.action === "kill" || fault.action === "torn" ? 1 : (fault.times ?? 1);
    requireCount("nth", nth, 1);
    if (times !== Infinity) requireCount("times", times, 1);
    if (fault.action === "torn" && (fault.call !== "write" || when !== "before")) {
      throw new RangeError("only a write can be torn, and only before it is made");
    }
    const suffix = isSuffix(fault.file) ? Buffer.from(fault.file) : Buffer.alloc(0);
    if (suffix.length > suffixBytesMax) throw new RangeError(`the end of a path is too long: ${fault.file}`);
    const value = valueOf(fault);

    this.disarm();
    this.#bytes.fill(0, suffixOffset, suffixOffset + suffixBytesMax + 1);
    this.#bytes.set(suffix, suffixOffset);
    const generation = ++this.#lastGeneration;
    this.#fields[field.call] = maskOf(fault.call);
    this.#fields[field.file] = fileMaskOf(fault.file);
    this.#fields[field.nth] = nth;
    this.#fields[field.times] = Math.min(times, u32Max);
    this.#fields[field.when] = when === "before" ? 0 : 1;
    this.#fields[field.action] = actions.indexOf(fault.action) + 1;
    this.#fields[field.value] = value;
    const none = BigInt(generation) << 32n;
    Atomics.store(this.#wide, hitsOffset / 8 - 1, none);
    Atomics.store(this.#wide, hitsOffset / 8, none);
    Atomics.store(this.#fields, field.generation, generation);
    return generation;
  }

  disarm(): void {
    Atomics.store(this.#fields, field.generation, 0);
  }

  /** How often the last arming was met. */
  hits(): SyscallHits {
    const hits = Atomics.load(this.#wide, hitsOffset / 8);
    return {
      generation: Number(hits >> 32n),
      hits: Number(hits & 0xffffffffn),
      pid: Atomics.load(this.#fields, field.process),
    };
  }

  counts(): Record<SyscallFile, SyscallCounts> {
    const [db, wal, shm, journal, other] = files.map((_, index) => this.#countsOf(index));
    if (!db || !wal || !shm || !journal || !other) throw new Error("the control file has a row for each kind of file");
    return { db, wal, shm, journal, other };
  }

  /** Processes that have loaded the shim, the last 1024 of them; the ids of those that are gone may be others' now. */
  pids(): Set<number> {
    const count = Math.min(Atomics.load(this.#fields, field.processes), pidsMax);
    const first = pidsOffset / 4;
    return new Set(this.#fields.subarray(first, first + count).filter((pid) => pid !== 0));
  }

  #countsOf(file: number): SyscallCounts {
    const row = countsOffset / 8 + file * (calls.length + 1);
    const at = (index: number): number => Number(Atomics.load(this.#wide, row + index));
    const of = (call: Syscall): number => at(calls.indexOf(call));
    return {
      open: of("open"),
      read: of("read"),
      write: of("write"),
      fsync: of("fsync"),
      fdatasync: of("fdatasync"),
      truncate: of("truncate"),
      unlink: of("unlink"),
      rename: of("rename"),
      lock: of("lock"),
      sync: of("fsync") + of("fdatasync"),
      writtenBytes: at(calls.length),
    };
  }
}

function maskOf(call: SyscallTarget["call"]): number {
  if (call === "sync") return maskOf("fsync") | maskOf("fdatasync");
  const index = calls.indexOf(call);
  if (index < 0) throw new RangeError(`unknown call ${JSON.stringify(call)}: sync, or one of ${calls.join(", ")}`);
  return 1 << index;
}

/** 0 where the suffix decides. */
function fileMaskOf(file: SyscallTarget["file"]): number {
  if (isSuffix(file)) return 0;
  if (file === "any") return fileMaskOf("db") | fileMaskOf("wal") | fileMaskOf("shm") | fileMaskOf("journal");
  const index = files.indexOf(file as SyscallFile);
  if (index < 0)
    throw new RangeError(`unknown file ${JSON.stringify(file)}: ${files.join(", ")}, any, or a path's end`);
  return 1 << index;
}

function isSuffix(file: string): boolean {
  return /^[/.-]/.test(file);
}

function valueOf(fault: SyscallFault): number {
  switch (fault.action) {
    case "stop":
    case "kill":
      return 0;
    case "error": {
      const errno = constants.errno[fault.errno];
      if (errno === undefined) throw new RangeError(`unknown errno ${JSON.stringify(fault.errno)}`);
      return errno;
    }
    case "delay":
      return requireCount("delayMs", Math.ceil(fault.delayMs), 0);
    case "torn":
      return requireCount("bytes", fault.bytes, 0);
  }
}

function requireCount(name: string, value: number, min: number): number {
  if (Number.isInteger(value) && value >= min && value < u32Max) return value;
  throw new RangeError(`${name} is a whole number from ${min}, not ${value}`);
}
