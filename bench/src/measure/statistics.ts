/** The middle one; the lower of two middle ones. NaN of none. */
export function median(numbers: readonly number[]): number {
  return percentile(numbers, 0.5);
}

/** The one below which `share` (0 to 1) of the numbers lie. NaN of none. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
