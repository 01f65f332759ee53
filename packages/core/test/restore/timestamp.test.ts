import { describe, expect, test } from "bun:test";
import { formatTimestamp, parseTimestamp } from "../../src/restore/timestamp.ts";

describe("parseTimestamp", () => {
  test("reads RFC 3339 to the nanosecond, and is what formatTimestamp writes", () => {
    for (const text of ["2026-11-22T15:29:55.305043918Z", "1970-01-01T00:00:00.000Z", "2026-01-31T12:00:00.100Z"]) {
      expect(formatTimestamp(parseTimestamp(text))).toBe(text);
    }
    expect(parseTimestamp("1970-01-01T00:00:00.000000001Z")).toBe(1n);
    expect(parseTimestamp("1970-01-01T01:00:00+01:00")).toBe(0n);
    expect(parseTimestamp("1970-01-01t00:00:01.5z")).toBe(1_500_000_000n);
  });

  test("refuses everything else", () => {
    const texts = ["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z"];
    for (const text of [...texts, "2026-01-31T12:00:00.1234567890Z", " 2026-01-31T12:00:00Z"]) {
      expect(() => parseTimestamp(text)).toThrow("not a time");
    }
  });
});
