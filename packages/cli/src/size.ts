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
