import { LoadSchedule, type LoadShape, transactionsDue } from "./load-shape.ts";
import type { Workload } from "./workload.ts";

export interface RunOptions {
  /** When transactions fall due; one that is late is made up for. Default: each as soon as the one before is done. */
  readonly shape?: LoadShape;
  /** Transactions to run. Default: no limit. */
  readonly transactions?: number;
  /**
   * With a shape: run all that fall due in this time, however long they take. Without: begin none after it. Default:
   * no limit.
   */
  readonly durationMs?: number;
  /** Ends the run between two transactions; that is no failure. */
  readonly signal?: AbortSignal;
  /** Told the number of each transaction when its COMMIT has returned. */
  readonly onCommit?: (n: number) => void;
}

/** Milliseconds of work after which the event loop gets a turn. */
const sliceMs = 2;
/** The longest that a timer may wait: above, it would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/**
 * Runs the workload's next transactions in this process, at the times that the shape gives. Resolves to the number of
 * the last committed one.
 *
 * @throws RangeError if nothing could ever end it: neither `transactions` nor `durationMs` nor `signal` is given.
 */
export async function runWorkload(workload: Workload, options: RunOptions): Promise<number> {
  const { shape, durationMs = Infinity, signal, onCommit } = options;
  if (options.transactions === undefined && durationMs === Infinity && signal === undefined) {
    throw new RangeError("a workload runs for a number of transactions, for a time, or until a signal: give one");
  }
  const dueInTime = shape === undefined || durationMs === Infinity ? Infinity : transactionsDue(shape, durationMs);
  const total = Math.min(options.transactions ?? Infinity, dueInTime);
  const schedule = shape && new LoadSchedule(shape);
  const startMs = performance.now();
  const isOver = (): boolean =>
    signal?.aborted === true || (shape === undefined && performance.now() - startMs >= durationMs);

  let done = 0;
  let last = workload.committed;
  while (done < total && !isOver()) {
    const sliceStartMs = performance.now();
    const due = Math.min(total, schedule?.due(sliceStartMs - startMs) ?? Infinity);
    while (done < due && !isOver() && performance.now() - sliceStartMs < sliceMs) {
      last = workload.commitNext();
      done++;
      onCommit?.(last);
    }
    const waitMs = schedule === undefined || done < due ? 0 : startMs + schedule.nextMs - performance.now();
    if (done < total && waitMs >= 1) await sleep(waitMs, signal);
    else await new Promise(setImmediate);
  }
  return last;
}

/** Resolves after `ms`, or when the signal is given. */
async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.min(ms, timerMsMax));
  const wake = (): void => resolve();
  signal?.addEventListener("abort", wake);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", wake);
  }
}
