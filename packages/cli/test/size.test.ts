import { expect, test } from "bun:test";
import { formatBytes } from "../src/size.ts";

test.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [4096, "4.1 kB"],
  [393_000_000, "393 MB"],
  [999_999, "1.0 MB"],
  [2_147_483_648, "2.1 GB"],
])("formatBytes writes %d as %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
