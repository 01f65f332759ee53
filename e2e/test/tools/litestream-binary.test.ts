import { expect } from "bun:test";
import { readFile } from "node:fs/promises";
import { litestreamBinary, type LitestreamVersion } from "../../src/tools/litestream-binary.ts";
import { litestreamTest } from "../../src/tools/litestream-test.ts";

const versions: readonly LitestreamVersion[] = ["v0.3.4", "v0.3.13"];

for (const version of versions) {
  const testWithLitestream = await litestreamTest(version);

  testWithLitestream(`litestreamBinary("${version}") is that release, built with SQLite`, async (litestream) => {
    // Go writes into every binary what it was built from, and how.
    const binary = await readFile(litestream);
    expect(binary.includes(`mod\tgithub.com/benbjohnson/litestream\t${version}\t`)).toBe(true);
    expect(binary.includes("build\tCGO_ENABLED=1\n")).toBe(true);
  });

  testWithLitestream(`litestreamBinary("${version}") runs`, async (litestream) => {
    expect(await Bun.spawn([litestream, "version"], { stdout: "ignore" }).exited).toBe(0);
    expect(await litestreamBinary(version)).toBe(litestream);
  });
}
