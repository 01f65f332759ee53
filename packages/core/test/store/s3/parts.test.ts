import { expect, test } from "bun:test";
import {
  firstPartSizeBytes,
  partCountMax,
  partSizeBytes,
  partSizeBytesDefault,
  partSizeBytesMax,
} from "../../../src/store/s3/parts.ts";

const tib = 1024 ** 4;

/** How many parts of an object there are. */
function partCount(sizeBytes: number, firstSizeBytes: number): number {
  let count = 0;
  for (let left = sizeBytes; left > 0; left -= partSizeBytes(count, firstSizeBytes)) count++;
  return count;
}

test("firstPartSizeBytes is the least size, and more for what has too many parts of that", () => {
  expect(firstPartSizeBytes(partSizeBytesDefault, undefined)).toBe(partSizeBytesDefault);
  expect(firstPartSizeBytes(partSizeBytesDefault, 40e9)).toBe(partSizeBytesDefault);
  expect(firstPartSizeBytes(partSizeBytesDefault, 5 * tib)).toBe(656 * 1024 * 1024);
  expect(firstPartSizeBytes(partSizeBytesDefault, 1e18)).toBe(partSizeBytesMax);
});

test("parts are of one size as long as no more comes than was expected, which some providers ask for", () => {
  for (const sizeBytes of [1, 1e9, 60e9, 500e9, 5 * tib]) {
    const first = firstPartSizeBytes(partSizeBytesDefault, sizeBytes);
    const count = partCount(sizeBytes, first);
    expect(partSizeBytes(count, first)).toBe(first);
  }
});

test("no object that S3 can hold has more than 10,000 parts, whatever was expected", () => {
  const sizes = [1, 1e6, 1e9, 64 * 1024 ** 3, 1e11, 1e12, 5 * tib];
  for (const expected of [undefined, ...sizes]) {
    const first = firstPartSizeBytes(partSizeBytesDefault, expected);
    for (const sizeBytes of sizes) expect(partCount(sizeBytes, first)).toBeLessThanOrEqual(partCountMax);
  }
});
