import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { canMakeUnwritable, makeUnwritable, tempFolder } from "../../src/index.ts";
import { skipUnless } from "../../src/skip.ts";

const testUnwritable = skipUnless(canMakeUnwritable() || undefined, "chattr is not there, or not for this file system");

testUnwritable("makeUnwritable keeps root, too, from writing until it is disposed of", async () => {
  await using folder = await tempFolder();
  {
    using _unwritable = makeUnwritable(folder.path);
    expect(() => writeFileSync(folder.join("x"), "")).toThrow();
  }
  writeFileSync(folder.join("x"), "");
  expect(existsSync(folder.join("x"))).toBe(true);
});

test("makeUnwritable says so when it cannot", () => {
  expect(() => makeUnwritable("/nowhere/at/all")).toThrow();
});
