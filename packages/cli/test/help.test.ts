import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { litestream } from "./command.ts";

describe("litestream", () => {
  test("version prints this package's version, as do -version and -v", async () => {
    const manifest: unknown = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"));
    for (const word of ["version", "-version", "--version", "-v"]) {
      const { stdout, stderr, exitCode } = await litestream(word);
      expect({ stdout, stderr, exitCode }).toMatchObject({ stderr: "", exitCode: 0 });
      expect(manifest).toMatchObject({ version: stdout.trim() });
    }
  });

  test("help lists the commands, as do -h and -help", async () => {
    for (const word of ["help", "-h", "--help"]) {
      const { stdout, stderr, exitCode } = await litestream(word);
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      for (const name of ["replicate", "restore", "version", "help"])
        expect(stdout).toMatch(new RegExp(`^\t${name} `, "m"));
    }
  });

  test("without a command shows the same on stderr, with exit code 1", async () => {
    const { stdout, stderr, exitCode } = await litestream();
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toContain("The commands are:");
  });

  test.each(["replicate", "restore"])("help %s shows its flags with one dash, as does -h", async (name) => {
    const help = await litestream("help", name);
    expect(help).toEqual(await litestream(name, "-h"));
    expect(help).toMatchObject({ stderr: "", exitCode: 0 });
    expect(help.stdout).toContain(`\tlitestream ${name} [arguments]`);
    expect(help.stdout).toContain("\n\t-config PATH\n");
    expect(help.stdout).toContain("\n\t-no-expand-env\n");
  });

  test("an unknown command is one line with the nearest, and exit code 1", async () => {
    expect(await litestream("restroe")).toEqual({
      stdout: "",
      stderr: 'litestream restroe: unknown command; did you mean "restore"?\n',
      exitCode: 1,
    });
    expect((await litestream("bogus")).stderr).toBe(
      'litestream bogus: unknown command; run "litestream help" for those there are\n',
    );
  });
});
