import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnWriter, verifyWorkload } from "@litestream/testkit";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningCommand, litestream } from "./command.ts";

let folder: string;
let db: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "replicate-"));
  db = join(folder, "app.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("what replicate has reported at its end, restore brings back, by argument and by configuration", async () => {
  const config = join(folder, "litestream.yml");
  const trace = join(folder, "trace");
  writeFileSync(
    config,
    `dbs:\n  - path: ${db}\n    replicas:\n      - path: ${folder}/one\n` +
      `      - { name: two, url: "file://${folder}/two" }\n`,
  );
  {
    await using writer = await spawnWriter({ path: db, seed: 1, transactions: 100, whenDone: "hold" });
    await using command = new RunningCommand("replicate", "-config", config, "-trace", trace);
    await command.saying("replica file is up to date");
    await command.saying("replica two is up to date");
    await writer.waitUntilDone();
    const { stderr, exitCode } = await command.end("SIGTERM");
    expect(exitCode).toBe(0);
    const stopped =
      /stopped; every replica is at ([0-9a-f]{16}\/[0-9a-f]{8}:[0-9a-f]{8})$/m.exec(stderr)?.[1] ?? "none";
    expect(readFileSync(trace, "utf8")).toContain(`"position":"${stopped}"`);
  }
  const again = await litestream("restore", "-config", config, db);
  expect(again.stderr).toContain(db);
  expect(again.exitCode).toBe(1);

  for (const [index, source] of [
    [join(folder, "one")],
    [`file://${folder}/two`],
    ["-config", config, "-replica", "two", db],
    ["-config", config, db],
  ].entries()) {
    const output = join(folder, `restored-${index}.db`);
    const { stdout, stderr, exitCode } = await litestream("restore", "-v", "-o", output, ...source);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 0 });
    expect(stderr).toMatch(/^restoring snapshot [0-9a-f]{16}\/00000000 and then \d WAL files$/m);
    expect(stderr).toContain(`\nrestored ${output} from replica `);
    expect(verifyWorkload(output)).toBe(100);
  }
  rmSync(db);
  rmSync(`${db}-wal`, { force: true });
  rmSync(`${db}-shm`, { force: true });
  expect(await litestream("restore", "-config", config, db)).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(verifyWorkload(db)).toBe(100);
});
