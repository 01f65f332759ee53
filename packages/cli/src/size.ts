const units = ["kB", "MB", "GB", "TB"] as const;

/** A number of bytes for people, in powers of 1000: `512 bytes`, `4.1 kB`, `393 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let text = `${bytes} bytes`;
  for (const unit of units) {
    if (value < 999.5) break;
    value /= 1000;
    text = `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return text;
}

const multiples: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const binaryMultiples: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

export const sizePattern: RegExp = /^(\d+(?:\.\d+)?) ?([kmgtKMGT]?)([iI]?)[bB]?$/;

/**
 * Bytes of a size as Litestream 0.5 reads it: `5MB` in powers of 1000, `5MiB` in powers of 1024, `5M`, `100B`, `1024`;
 * in either case of letters. Undefined when `text` is none, or too large to count.
 */
export function parseBytes(text: string): number | undefined {
  const [, number, multiple = "", binary] = sizePattern.exec(text) ?? [];
  if (number === undefined) return undefined;
  const factor = (binary === "" ? multiples : binaryMultiples)[multiple.toLowerCase()];
  if (factor === undefined) return undefined;
  const bytes = Math.round(Number(number) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
