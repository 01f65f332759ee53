import { goTool } from "./go-tool.ts";

/** Releases of Litestream that tests and benchmarks run beside ours. */
export type LitestreamVersion = "v0.3.4" | "v0.3.13" | "v0.5.16";

const versions: readonly LitestreamVersion[] = ["v0.3.4", "v0.3.13", "v0.5.16"];

/** The path of Litestream's own binary; undefined where it is not there and cannot be built. */
export async function litestreamBinary(version: LitestreamVersion): Promise<string | undefined> {
  return await goTool({
    name: `Litestream ${version}`,
    module: `github.com/benbjohnson/litestream/cmd/litestream@${version}`,
    binary: "litestream",
    folder: `litestream-${version}`,
  });
}

// As a command, it installs the versions it is given, so that no test has to wait for Go.
if (import.meta.main) {
  for (const argument of process.argv.slice(2)) {
    const version = versions.find((known) => known === argument);
    if (version === undefined || (await litestreamBinary(version)) === undefined) {
      process.stderr.write(`no Litestream ${argument} for the tests\n`);
      process.exitCode = 1;
    }
  }
}
