import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds between two looks at what announces itself by no event. */
const pollMs = 1;

/**
 * What has become of a process: `gone` when it has no thread left that could run (it may wait for its parent as a
 * zombie; its files and locks are closed), `stopped` when a signal has halted every thread, else `running`.
 * From Linux's /proc: proc(5), /proc/pid/stat.
 */
export type ProcessState = "running" | "stopped" | "gone";

export function processState(pid: number): ProcessState {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return "gone";
  }
  const states = threads.map((thread) => threadState(pid, thread)).filter((state) => !"ZXx".includes(state));
  if (states.length === 0) return "gone";
  return states.every((state) => state === "T") ? "stopped" : "running";
}

/** The state's letter; `X` for a thread that is gone by now. */
function threadState(pid: number, thread: string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
    // The name before it is in parentheses, and may hold any character.
    return stat.charAt(stat.lastIndexOf(")") + 2);
  } catch {
    return "X";
  }
}

/** Resolves when the process no longer runs, to whether it is stopped or gone. */
export async function untilNotRunning(pid: number): Promise<"stopped" | "gone"> {
  for (;;) {
    const state = processState(pid);
    if (state !== "running") return state;
    await Bun.sleep(pollMs);
  }
}

/** Resolves when the process is gone. */
export async function untilGone(pid: number): Promise<void> {
  while (processState(pid) !== "gone") await Bun.sleep(pollMs);
}

/** Sends a signal; a process that is gone is none of the sender's business any more. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
