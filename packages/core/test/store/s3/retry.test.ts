import { describe, expect, test } from "bun:test";
import { attemptsMax, isPassing, parseRetryAfterMs, waitBeforeRetryMs } from "../../../src/store/s3/retry.ts";

describe("isPassing", () => {
  test.each([
    [undefined, undefined, true],
    [408, undefined, true],
    [429, undefined, true],
    [500, "InternalError", true],
    [502, undefined, true],
    [503, "SlowDown", true],
    [504, undefined, true],
    [400, "RequestTimeout", true],
    [400, "BadDigest", true],
    [200, "InternalError", true],
    [200, "AccessDenied", false],
    [301, "PermanentRedirect", false],
    [400, "InvalidArgument", false],
    [403, "AccessDenied", false],
    [404, "NoSuchBucket", false],
    [412, "PreconditionFailed", false],
    [501, "NotImplemented", false],
    [503, "QuotaExceeded", false],
    [507, "XMinioStorageFull", false],
  ])("of status %p and code %p is %p", (status, code, expected) => {
    expect(isPassing({ status, code })).toBe(expected);
  });
});

describe("waitBeforeRetryMs", () => {
  const busy = { status: 503, code: "SlowDown", retryAfterMs: undefined };

  test("doubles, with half of it left to chance, up to 10 s", () => {
    const waits = (random: number): (number | undefined)[] =>
      Array.from({ length: attemptsMax }, (_, at) => waitBeforeRetryMs(busy, at + 1, random));
    expect(waits(1)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, undefined]);
    expect(waits(0)).toEqual([50, 100, 200, 400, 800, 1600, 3200, undefined]);
  });

  test("waits as long as the server asks for, and a minute at most", () => {
    expect(waitBeforeRetryMs({ ...busy, retryAfterMs: 7000 }, 1, 0)).toBe(7000);
    expect(waitBeforeRetryMs({ ...busy, retryAfterMs: 3_600_000 }, 1, 0)).toBe(60_000);
    expect(waitBeforeRetryMs({ ...busy, retryAfterMs: 1 }, 7, 0)).toBe(3200);
  });

  test("does not wait for what will not pass", () => {
    expect(waitBeforeRetryMs({ status: 403, code: "AccessDenied", retryAfterMs: 1 }, 1, 0)).toBeUndefined();
  });
});

test("parseRetryAfterMs reads seconds and dates", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  expect(parseRetryAfterMs("3", nowMs)).toBe(3000);
  expect(parseRetryAfterMs("Thu, 01 Jan 2026 00:00:05 GMT", nowMs)).toBe(5000);
  expect(parseRetryAfterMs("Wed, 31 Dec 2025 00:00:05 GMT", nowMs)).toBe(0);
  expect(parseRetryAfterMs("soon", nowMs)).toBeUndefined();
  expect(parseRetryAfterMs(null, nowMs)).toBeUndefined();
});
