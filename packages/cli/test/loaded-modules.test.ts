import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const main = join(import.meta.dirname, "../src/main.ts");

/** The files that a command loads, as the loader sees them, by name below this repository. */
async function loadedBy(...args: string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "loaded-"));
  try {
    const preload = join(folder, "preload.ts");
    writeFileSync(
      preload,
      `process.on("exit", () => {
         const files = Object.keys(require.cache).filter((path) => path !== import.meta.path);
         require("node:fs").writeFileSync(${JSON.stringify(join(folder, "files"))}, files.join("\\n"));
       });`,
    );
    const child = Bun.spawn([process.execPath, "--preload", preload, main, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    expect(await child.stderr.text()).toBe("");
    expect(await child.exited).toBe(0);
    return (await Bun.file(join(folder, "files")).text()).split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const heavy =
  /packages\/(?:core|metrics)\/|node_modules\/(?:yaml|valibot|lz4-napi|cli-progress|prom-client|shell-quote)\//;

test.each([["version"], ["help"], ["-h"]])(
  "%s loads a few small files, and nothing that replicates",
  async (command) => {
    const files = await loadedBy(command);
    expect(files.filter((path) => heavy.test(path))).toEqual([]);
    expect(files.length).toBeGreaterThan(5);
    expect(files.length).toBeLessThan(20);
  },
);

test("help of a command is not slowed down by what reads the configuration", async () => {
  const files = await loadedBy("restore", "-help");
  expect(files.filter((path) => /node_modules\/(?:yaml|valibot|prom-client)\//.test(path))).toEqual([]);
});
