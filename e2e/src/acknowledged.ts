import type { Acknowledgement } from "@litestream/testkit";

/**
 * Number of the last transaction that had to be in the replica when it was reported to hold everything as of `asOfMs`.
 * Both times are of one machine's clock; the acknowledgement's has a fraction, the report's was rounded down.
 */
export function acknowledgedBefore(acknowledgements: readonly Acknowledgement[], asOfMs: number): number {
  return acknowledgements.findLast(({ atMs }) => atMs < asOfMs)?.n ?? 0;
}
