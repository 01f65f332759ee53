const intervalMs = 1000;
const escape = "\u001b[";

export interface WatchOptions {
  /** Each of its lines may be as wide as the terminal. */
  readonly draw: () => Promise<string>;
  readonly write: (text: string) => void;
  /** What is drawn takes the place of what was there; elsewhere it follows it. */
  readonly isTerminal: boolean;
  /** Of the terminal, asked each time. */
  readonly rows: () => number;
  readonly signal: AbortSignal;
}

/** Draws each second until it is aborted; the terminal is left as it was, with the last picture below the prompt. */
export async function watch({ draw, write, isTerminal, rows, signal }: WatchOptions): Promise<void> {
  let last = "";
  // A screen of its own, without the cursor.
  if (isTerminal) write(`${escape}?1049h${escape}?25l`);
  try {
    while (!signal.aborted) {
      last = await draw();
      if (isTerminal) write(`${escape}H${clearing(last, rows())}${escape}J`);
      else write(`${last}\n`);
      await untilNext(signal);
    }
  } finally {
    if (isTerminal) write(`${escape}?25h${escape}?1049l${last}\n`);
  }
}

/** Each line clears what was to its right; what has no room is left out, with a word about it. */
function clearing(text: string, rows: number): string {
  const lines = text.split("\n");
  const shown = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
  return shown.map((line) => `${line}${escape}K`).join("\r\n");
}

async function untilNext(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, intervalMs);
  const onAbort = (): void => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
}
