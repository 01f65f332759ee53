/**
 * How an object is cut into the parts of a multipart upload. Limits of the protocol
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html): 10,000 parts of 5 MiB to 5 GiB, the last of any
 * size, and 5 TiB in all.
 */
const mib = 1024 * 1024;
export const partSizeBytesMin: number = 5 * mib;
export const partSizeBytesMax: number = 5 * 1024 * mib;
export const partSizeBytesDefault: number = 5 * mib;
export const partCountMax = 10_000;

/** Parts that an object of the expected size is cut into at most: what comes unexpectedly has the rest. */
const plannedPartCountMax = 8000;
/** From there on parts grow, as nobody knows how many are to come. */
const evenPartCount = 8000;
const partsOfOneSize = 100;

/** The size of the first part, and of all as long as no more comes than was expected. */
export function firstPartSizeBytes(leastSizeBytes: number, expectedSizeBytes: number | undefined): number {
  const needed = Math.ceil((expectedSizeBytes ?? 0) / plannedPartCountMax / mib) * mib;
  return Math.min(partSizeBytesMax, Math.max(leastSizeBytes, needed));
}

/**
 * The size of a part: that of the first, then twice as much with every 100 parts. So memory follows the object's size
 * by a logarithm, and even 5 MiB at first are enough for the 5 TiB that an object may have.
 * @param partNumber from 1 on
 */
export function partSizeBytes(partNumber: number, firstSizeBytes: number): number {
  const doublings = Math.max(0, Math.ceil((partNumber - evenPartCount) / partsOfOneSize));
  return Math.min(partSizeBytesMax, firstSizeBytes * 2 ** doublings);
}
