import { describe, expect, test } from "bun:test";
import { formatDurationMs, parseDurationMs } from "../src/duration.ts";

describe("parseDurationMs", () => {
  test.each([
    ["0", 0],
    ["0s", 0],
    ["100ms", 100],
    ["1s", 1000],
    ["1.5s", 1500],
    [".5s", 500],
    ["1.s", 1000],
    ["1h30m", 5_400_000],
    ["24h", 86_400_000],
    ["1m0.1s", 60_100],
    ["0.3ms", 1],
    ["1us", 1],
    ["1µs", 1],
    ["1000000ns", 1],
    ["1.1s", 1100],
  ])("reads %s as Go does, as %d ms", (text, milliseconds) => {
    expect(parseDurationMs(text)).toBe(milliseconds);
  });

  test.each(["", "1", "s", "1 s", "-1s", "1d", "1h30", "1..5s", ".s", "one second", "1e3s", "1s "])(
    "refuses %p",
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );
});

test("formatDurationMs chooses the unit by size", () => {
  expect(formatDurationMs(312.4)).toBe("312 ms");
  expect(formatDurationMs(4200)).toBe("4.2 s");
  expect(formatDurationMs(200_000)).toBe("3 min 20 s");
});
