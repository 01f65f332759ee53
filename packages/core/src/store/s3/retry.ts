/** When a request to an object store is sent again, and after how long: decisions without a clock of their own. */

/** Sends of one request: with the waits between them, about 40 seconds of an unreachable server. */
export const attemptsMax = 8;
const waitFirstMs = 100;
const waitMaxMs = 10_000;
/** What a server may make us wait. */
const retryAfterMaxMs = 60_000;

/** How a request failed. `status` is undefined where no answer came: refused, reset, timed out, cut. */
export interface Failure {
  readonly status: number | undefined;
  /** S3's own code, such as SlowDown. */
  readonly code: string | undefined;
  /** What the server asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

/** Codes of passing conditions, whatever their status. */
const passingCodes = new Set([
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "SlowDownRead",
  "SlowDownWrite",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
  "IncompleteBody",
  // What was sent did not arrive as it was sent.
  "BadDigest",
  "XAmzContentSHA256Mismatch",
  "XAmzContentChecksumMismatch",
]);

/** Codes of lasting conditions that come with the status of a passing one. */
const lastingCodes = new Set(["NotImplemented", "XMinioStorageFull", "QuotaExceeded"]);

export function isPassing({ status, code }: Pick<Failure, "status" | "code">): boolean {
  if (code !== undefined && lastingCodes.has(code)) return false;
  if (status === undefined || (code !== undefined && passingCodes.has(code))) return true;
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505 && status !== 507);
}

/**
 * How long to wait before the next attempt; undefined where there is none to be.
 * @param attempt the one that failed, from 1 on
 * @param random 0 to 1: many writers that failed together must not come back together
 */
export function waitBeforeRetryMs(failure: Failure, attempt: number, random: number): number | undefined {
  if (attempt >= attemptsMax || !isPassing(failure)) return undefined;
  const waitMs = Math.min(waitMaxMs, waitFirstMs * 2 ** (attempt - 1)) * (0.5 + random / 2);
  return Math.max(waitMs, Math.min(failure.retryAfterMs ?? 0, retryAfterMaxMs));
}

/** @param value of a header `Retry-After`: seconds, or a date */
export function parseRetryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}
