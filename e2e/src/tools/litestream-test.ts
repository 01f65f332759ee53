import { litestreamBinary, type LitestreamVersion } from "./litestream-binary.ts";
import { skipUnless, type ToolTest } from "./skip.ts";

/**
 * A `test` whose body gets the path of Litestream's own binary, or that is skipped where that cannot be had:
 *
 *     const testWith034 = await litestreamTest("v0.3.4");
 *     testWith034("Litestream restores our replica", async (litestream) => { ... });
 */
export async function litestreamTest(version: LitestreamVersion): Promise<ToolTest<string>> {
  const binary = await litestreamBinary(version);
  const reason =
    Bun.which("go") === null
      ? `Litestream ${version} needs Go to be installed`
      : `Litestream ${version} could not be built by Go`;
  return skipUnless(binary, reason);
}
