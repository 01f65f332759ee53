/** Milliseconds in each unit of Go's `time.ParseDuration`, which Litestream's configuration is written in. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Timers of JavaScript take 31 bits of milliseconds, 24.8 days; a longer one would fire at once. */
export const durationMsMax: number = 2 ** 31 - 1;

export const durationPattern: RegExp = /^(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

/**
 * Milliseconds of a duration as Go writes it (`1h30m`, `1.5s`, `100ms`, `0`), rounded up to a whole one; undefined when
 * `text` is none. Negative ones are none: nothing here waits for less than no time.
 */
export function parseDurationMs(text: string): number | undefined {
  if (text === "0") return 0;
  if (!durationPattern.test(text)) return undefined;
  let totalMs = 0;
  for (const [, number = "", unit = ""] of text.matchAll(/([\d.]+)([^\d.]+)/g)) {
    totalMs += Number(number) * (unitMs[unit] ?? Number.NaN);
  }
  // Sums of fractions such as 0.1ms carry noise in their last bits, which must not add a millisecond.
  return Math.ceil(Number(totalMs.toFixed(6)));
}

/** A duration for people: `312 ms`, `4.2 s`, `3 min 20 s`. */
export function formatDurationMs(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * A duration as Go's `time.Duration` prints it, cut to what matters as Litestream's lists do: whole seconds from 10 s
 * on, tenths from 1 s on, else milliseconds. `1h2m3s`, `7m5s`, `16s`, `1.5s`, `230ms`, `0s`.
 */
export function formatGoDuration(durationMs: number): string {
  const sign = durationMs < 0 ? "-" : "";
  const ms = Math.trunc(Math.abs(durationMs));
  if (ms === 0) return "0s";
  if (ms < 1000) return `${sign}${ms}ms`;
  if (ms < 10_000) return `${sign}${Math.trunc(ms / 100) / 10}s`;
  const seconds = Math.trunc(ms / 1000);
  const [hours, minutes] = [Math.trunc(seconds / 3600), Math.trunc(seconds / 60) % 60];
  const parts = [hours > 0 ? `${hours}h` : "", hours > 0 || minutes > 0 ? `${minutes}m` : "", `${seconds % 60}s`];
  return sign + parts.join("");
}
