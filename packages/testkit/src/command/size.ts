import { UsageError } from "./usage-error.ts";

const factors: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  kib: 1 << 10,
  mib: 1 << 20,
  gib: 1 << 30,
};

/** Bytes from `4096`, `1.5MB` (powers of 1000) or `64KiB` (powers of 1024). @throws UsageError naming `flag`. */
export function parseSize(flag: string, text: string): number {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = factors[unit.toLowerCase()];
  const bytes = digits === undefined || factor === undefined ? Number.NaN : Math.round(Number(digits) * factor);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`--${flag} ${text} is no size: write bytes, or a number with kB, MB, GB, KiB, MiB or GiB`);
}

/** @throws UsageError naming `flag` unless the text is digits alone. */
export function parseInteger(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} is a whole number, not "${text}"`);
}

/** A number of bytes for people, in powers of 1000: `512 bytes`, `4.1 kB`, `393 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = "bytes";
  for (const next of ["kB", "MB", "GB", "TB"]) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  const isRounded = unit === "bytes" || value >= 99.95;
  return `${isRounded ? Math.round(value) : value.toFixed(1)} ${unit}`;
}

/** `1 commit`, `2 commits`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
