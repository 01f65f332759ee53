/**
 * Times of restore points, in nanoseconds since 1970: files have them that exact, and a restore of Litestream 0.3 to
 * the time of an object includes it, where one nanosecond earlier does not.
 */
import { LitestreamError } from "../errors.ts";

const nsPerMs = 1_000_000n;

/**
 * A time as RFC 3339 writes it: `2026-01-31T12:00:00Z`, up to nine digits of a second, `Z` or an offset.
 * @returns nanoseconds since 1970
 * @throws LitestreamError FORMAT_INVALID
 */
export function parseTimestamp(text: string): bigint {
  const match = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  const [, day, time, fraction = "", zone] = match ?? [];
  const ms = day === undefined || zone === undefined ? Number.NaN : Date.parse(`${day}T${time}${zone.toUpperCase()}`);
  if (Number.isNaN(ms) || day === undefined || !isDay(day)) {
    throw new LitestreamError("FORMAT_INVALID", `not a time: "${text}"`, {
      hint: "Write it as in 2026-01-31T12:00:00Z (RFC 3339), with Z or an offset such as +01:00.",
    });
  }
  return BigInt(ms) * nsPerMs + BigInt(fraction.padEnd(9, "0"));
}

/** A time in UTC, with as many digits of a second as it needs, three or more. */
export function formatTimestamp(timeNs: bigint): string {
  const ms = timeNs / nsPerMs;
  const ns = timeNs % nsPerMs;
  const iso = new Date(Number(ms)).toISOString();
  if (ns === 0n) return iso;
  return `${iso.slice(0, -1)}${ns.toString().padStart(6, "0").replace(/0+$/, "")}Z`;
}

export function timestampOf(date: Date): bigint {
  return BigInt(date.getTime()) * nsPerMs;
}

export function timestampOfMs(timeMs: number): bigint {
  return BigInt(Math.trunc(timeMs)) * nsPerMs;
}

/** The time of a listed object. */
export function createdNs(info: { readonly createdAt: Date; readonly createdAtNs?: bigint }): bigint {
  return info.createdAtNs ?? timestampOf(info.createdAt);
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDay(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
