import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TempFolder, tempFolder } from "../database/temp-folder.ts";
import { type ProcessState, processState, signalProcess, untilGone, untilNotRunning } from "./process-state.ts";
import { SyscallControl, type SyscallCounts, type SyscallFault, type SyscallFile } from "./syscall-control.ts";

const controlVariable = "LITESTREAM_TESTKIT_SYSCALLS";
/** Milliseconds between two looks at the shared memory: a process that stops itself sends nobody an event. */
const pollMs = 1;

export interface SyscallShimOptions {
  /** The database whose files are told apart by their role. It need not exist yet; its folder does. */
  readonly path: string;
}

/** Where an armed fault was met. */
export interface ReachedSyscall {
  readonly pid: number;
  /** `stopped` there, `gone`, or after an error or while it is delayed, `running`. */
  readonly state: ProcessState;
}

/**
 * Stops, kills, fails or delays a process at a chosen system call of its commit, and counts its calls; see
 * `createSyscallShim`. What is armed applies to whichever process under the shim gets there first, children of those
 * started with its environment included. Disposal kills every process that still runs under it, so that none stays
 * behind, halted.
 */
export class SyscallShim implements AsyncDisposable {
  /** Variables to start a process with; add them to those it gets otherwise. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #folder: TempFolder;
  readonly #control: SyscallControl;
  #armed: { readonly generation: number; readonly action: SyscallFault["action"]; awaited: number } | undefined;

  constructor(folder: TempFolder, libraryPath: string, databasePath: string) {
    this.#folder = folder;
    const controlPath = folder.join("control");
    this.#control = new SyscallControl(controlPath, databasePath);
    const preloaded = process.env["LD_PRELOAD"] ?? "";
    this.environment = {
      LD_PRELOAD: preloaded === "" ? libraryPath : `${libraryPath}:${preloaded}`,
      [controlVariable]: controlPath,
    };
  }

  /**
   * Says what is to happen, from now on, instead of what was armed before; also while the processes run.
   * @throws RangeError for a call, file, errno or number that there is not
   */
  arm(fault: SyscallFault): void {
    this.#armed = { generation: this.#control.arm(fault), action: fault.action, awaited: 0 };
  }

  /** From now on all calls pass. A call that is halted or delayed already stays so. */
  disarm(): void {
    this.#control.disarm();
    this.#armed = undefined;
  }

  /**
   * Resolves when what is armed is met, the second time it is called when it is met a second time, and so on; for
   * `stop` when the process is halted with all its threads, for `kill` and `torn` when it is gone.
   *
   * Rejects when something else is armed meanwhile, or nothing; and, if the end of what is to meet it is given (a
   * process's `exited`, a statement's promise), when that comes first: there is nobody left to wait for.
   */
  async reached(ended?: Promise<unknown>): Promise<ReachedSyscall> {
    const armed = this.#armed;
    if (armed === undefined) throw new Error("nothing is armed, so nothing will be reached");
    const awaited = ++armed.awaited;
    let hasEnded = false;
    const end = (): void => {
      hasEnded = true;
    };
    ended?.then(end, end);
    for (;;) {
      // Asked before the look at the hits, so that what was met at the very end is seen.
      const isLastLook = hasEnded;
      const { generation, hits, pid } = this.#control.hits();
      if (generation === armed.generation && hits >= awaited)
        return { pid, state: await stateAfter(armed.action, pid) };
      if (this.#armed !== armed) throw new Error("the armed system call was not reached before it was disarmed");
      if (isLastLook) throw new Error(`it ended without reaching the armed system call; ${this.#describe()}`);
      await Bun.sleep(pollMs);
    }
  }

  /** Lets every process go on that is halted under the shim. */
  resume(): void {
    for (const pid of this.#processes()) if (processState(pid) === "stopped") signalProcess(pid, "SIGCONT");
  }

  /** The calls of all processes so far. */
  counts(): Record<SyscallFile, SyscallCounts> {
    return this.#control.counts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _ = this.#folder;
    this.disarm();
    const pids = this.#processes();
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    await Promise.all(pids.map(untilGone));
  }

  /** Those that run, or are halted, under this very shim. */
  #processes(): number[] {
    const mapping = join(basename(this.#folder.path), "control");
    return [...this.#control.pids()].filter((pid) => pid !== process.pid && memoryMapsOf(pid).includes(mapping));
  }

  #describe(): string {
    if (this.#control.pids().size === 0) {
      return "no process has loaded the shim: start it with the shim's environment";
    }
    const made = Object.entries(this.counts()).map(([file, counts]) => {
      const calls = Object.entries(counts).filter(([, count]) => count > 0);
      return `${file}: ${calls.map(([call, count]) => `${call} ${count}`).join(", ") || "none"}`;
    });
    return `calls so far: ${made.join("; ")}`;
  }
}

/**
 * A shim for the processes that use the database at `path`:
 *
 *     await using shim = await createSyscallShim({ path });
 *     await using writer = await spawnConnection({ path, environment: shim.environment });
 *     await writer.run("PRAGMA journal_mode = WAL; CREATE TABLE t (n)");
 *     shim.arm({ call: "sync", file: "wal", action: "stop" });
 *     const commit = writer.run("INSERT INTO t VALUES (1)");
 *     await shim.reached(commit); // halted inside its commit: frames written, not yet published
 *     shim.resume();
 *     await commit;
 *
 * It sees what goes through libc's functions: all of SQLite's file I/O, both that of bun:sqlite and of a shared
 * library. Of Bun's own file I/O it sees fsync, fdatasync, ftruncate and rename; Bun reads, writes and opens past libc.
 * Nor is a store into the mapped -shm a call: a writer publishes its commit by none.
 *
 * A frame of the WAL is two writes, its 24-byte header and its page; the first of a WAL's is its 32-byte header.
 * @throws Error where the shim cannot be had; see `canUseSyscallShim`
 */
export async function createSyscallShim(options: SyscallShimOptions): Promise<SyscallShim> {
  const built = (library ??= build());
  if (typeof built === "string") throw new Error(`the system call shim cannot be used: ${built}`);
  // As the kernel names it.
  const databasePath = join(realpathSync(dirname(options.path)), basename(options.path));
  const folder = await tempFolder();
  try {
    const libraryPath = folder.join("syscall-shim.so");
    await writeFile(libraryPath, built);
    return new SyscallShim(folder, libraryPath, databasePath);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** True where `createSyscallShim` works: on Linux, with a C compiler. The first call compiles the shim. */
export function canUseSyscallShim(): boolean {
  return syscallShimObstacle() === undefined;
}

/** Why `createSyscallShim` does not work here; undefined where it does. */
export function syscallShimObstacle(): string | undefined {
  library ??= build();
  return typeof library === "string" ? library : undefined;
}

/** The compiled shim, or why there is none. Kept in memory: a shim brings its own copy, and nothing is left behind. */
let library: Uint8Array | string | undefined;

function build(): Uint8Array | string {
  if (process.platform !== "linux") return "it is for Linux";
  const compiler = Bun.which("cc");
  if (compiler === null) return "cc, a C compiler, is not installed";
  const source = fileURLToPath(new URL("./syscall-shim.c", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "litestream-testkit-"));
  try {
    const path = join(folder, "syscall-shim.so");
    const compiled = Bun.spawnSync([compiler, "-shared", "-fPIC", "-O2", "-o", path, source, "-ldl"]);
    if (!compiled.success) return `${compiler} does not compile ${source}: ${compiled.stderr.toString().trim()}`;
    // A C library other than Bun's, for one, would make a file that Bun cannot load.
    const controlPath = join(folder, "control");
    const control = new SyscallControl(controlPath, join(folder, "none"));
    const environment = { ...process.env, LD_PRELOAD: path, [controlVariable]: controlPath };
    const loaded = Bun.spawnSync([process.execPath, "-e", ""], { env: environment });
    if (!loaded.success || control.pids().size === 0) {
      return `${process.execPath} does not load what ${compiler} made: ${loaded.stderr.toString().trim()}`;
    }
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function stateAfter(action: SyscallFault["action"], pid: number): Promise<ProcessState> {
  if (action === "stop") return untilNotRunning(pid);
  if (action === "error" || action === "delay") return processState(pid);
  await untilGone(pid);
  return "gone";
}

/** Empty for a process that is gone. */
function memoryMapsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/maps`, "utf8");
  } catch {
    return "";
  }
}
