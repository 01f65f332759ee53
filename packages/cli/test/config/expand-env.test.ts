import { expect, test } from "bun:test";
import { expandEnv } from "../../src/config/expand-env.ts";

const env = { DIR: "/data", NAME: "app", EMPTY: "" };

test.each([
  ["$DIR/$NAME.db", "/data/app.db"],
  ["${DIR}x", "/datax"],
  ["a$EMPTY", "a"],
  ["100$", "100$"],
  ["a $ b", "a $ b"],
  ["$DIR$DIR", "/data/data"],
])("expandEnv turns %s into %s", (text, expected) => {
  expect(expandEnv(text, env)).toEqual({ text: expected, unset: [] });
});

test("expandEnv replaces what is not set by nothing, and says so", () => {
  expect(expandEnv("$GONE/x${ALSO}", env)).toEqual({ text: "/x", unset: ["GONE", "ALSO"] });
});
