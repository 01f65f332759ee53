/**
 * Polls: one timer for all databases with the same interval, so that three hundred of them wake the process up once,
 * not three hundred times.
 */
interface Clock {
  readonly timer: ReturnType<typeof setInterval>;
  readonly polls: Set<() => void>;
}

const clocks = new Map<number, Clock>();

/** Calls `poll` every `intervalMs`. @returns to end it */
export function pollEvery(intervalMs: number, poll: () => void): () => void {
  const clock = clocks.get(intervalMs) ?? startClock(intervalMs);
  clock.polls.add(poll);
  return () => {
    if (!clock.polls.delete(poll) || clock.polls.size > 0) return;
    clearInterval(clock.timer);
    clocks.delete(intervalMs);
  };
}

function startClock(intervalMs: number): Clock {
  const polls = new Set<() => void>();
  const timer = setInterval(() => {
    for (const poll of polls) poll();
  }, intervalMs);
  const clock = { timer, polls };
  clocks.set(intervalMs, clock);
  return clock;
}
