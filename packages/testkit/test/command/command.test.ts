import { expect, test } from "bun:test";
import { readdirSync, watch } from "node:fs";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { catalogue } from "../../src/fixture/catalogue.ts";
import { readManifest } from "../../src/fixture/manifest.ts";
import { main, testkit } from "./testkit-command.ts";

test("generate makes a fixture of the catalogue, and says how fast", async () => {
  await using folder = await tempFolder();
  const { stdout, stderr, exitCode } = await testkit("generate", "restarted", folder.join("a"));
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(
    /^\S+\/a: 3 commits in 2\d\d kB of WAL over [\d.]+ kB of database, in [\d.]+ s \([\d.]+ MB\/s/,
  );
  expect(readManifest(folder.join("a"))).toMatchObject({ name: "restarted", version: 1 });
});

test("generate makes one to order", async () => {
  await using folder = await tempFolder();
  const { stdout, exitCode } = await testkit(
    ...`generate --profile append --seed=7 --page-size 1024 --wal-bytes 64KiB --restarts 1`.split(" "),
    "--big-endian-checksum",
    "--json",
    folder.join("a"),
  );
  expect(exitCode).toBe(0);
  const { options, commits, wal } = readManifest(folder.join("a"));
  expect(options).toMatchObject({ profile: "append", seed: 7, pageSize: 1024, walBytes: 65536, restarts: 1 });
  expect(options.bigEndianChecksum).toBe(true);
  expect(JSON.parse(stdout)).toMatchObject({
    dir: folder.join("a"),
    name: null,
    version: null,
    commits: commits.length,
    walBytes: wal.sizeBytes,
  });
});

test("list shows every fixture within 80 columns, and what it is good for", async () => {
  const { stdout, exitCode } = await testkit("list");
  expect(exitCode).toBe(0);
  const lines = stdout.split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  const text = lines.map((line) => line.trim()).join(" ");
  for (const { name, goodFor } of catalogue) {
    expect(lines.some((line) => line.startsWith(`${name} `))).toBe(true);
    expect(text).toContain(goodFor);
  }
});

test("list --json is the catalogue", async () => {
  const { stdout } = await testkit("list", "--json");
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(catalogue)));
});

test("verify and damage tell a sound fixture from a damaged one, by exit code too", async () => {
  await using folder = await tempFolder();
  const dir = folder.join("a");
  await testkit("generate", "append", dir);
  expect(await testkit("verify", dir)).toEqual({
    stdout: `${dir}: as it was generated; 7 states compared, integrity check ok\n`.replace(
      "7 states",
      `${readManifest(dir).commits.length} states`,
    ),
    stderr: "",
    exitCode: 0,
  });
  const sound = await testkit("verify", dir, "--json");
  expect(sound.exitCode).toBe(0);
  expect(JSON.parse(sound.stdout)).toMatchObject({ dir, name: "append", findings: [], isAsDescribed: false });

  const damaged = await testkit("damage", dir, "flip", "--offset", "5000", "--seed", "3");
  expect(damaged).toMatchObject({ stdout: `${dir}/db-wal: flip of 1 byte at byte 5000, seed 3\n`, exitCode: 0 });
  const { stdout, exitCode } = await testkit("verify", dir);
  expect(exitCode).toBe(1);
  expect(stdout).toContain(`${dir}/db-wal: other bytes than generated between 4096 and 8191: expected sha256 `);
  expect(stdout).toContain("found 1, since at frame 2, at byte 4152, the frame's checksum is ");
  expect(stdout).toContain(`${dir}: the manifest describes: flip of 1 byte at byte 5000 of db-wal, seed 3\n`);
  expect(stdout).toEndWith(`${dir}: damaged, as described; no commit is whole\n`);
  const json = await testkit("damage", dir, "truncate", "--file", "db", "--length", "10", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({
    dir,
    kind: "truncate",
    file: "db",
    lengthBytes: 10,
    sizeAfter: 4086,
  });
});

const misuses: readonly (readonly [readonly string[], string])[] = [
  [[], "a command is missing: one of generate, list, verify, damage"],
  [["lst"], 'unknown command "lst"; did you mean "list"?'],
  [["explode"], 'unknown command "explode"; it is one of generate, list, verify, damage'],
  [["generate"], 'generate: NAME and DIR are missing; "list" shows the names'],
  [["generate", "apend", "x"], 'generate: unknown fixture "apend"; did you mean "append"?'],
  [["generate", "append"], "generate append: DIR is missing"],
  [["generate", "all"], "generate all: DIR is missing"],
  [["generate", "append", "x", "y"], "generate: too many arguments: y"],
  [["generate", "append", "x", "--seed", "2"], 'takes DIR alone; "append" goes without other options'],
  [["generate", "--profile", "fits", "x"], 'generate: unknown profile "fits"; did you mean "fts"?'],
  [["generate", "--wal-byte", "1", "x"], 'generate: unknown flag --wal-byte; did you mean "--wal-bytes"?'],
  [["generate", "--wal-bytes", "1 ton", "x"], "--wal-bytes 1 ton is no size"],
  [["generate", "--seed", "one", "x"], '--seed is a whole number, not "one"'],
  [["generate", "--page-size", "1000", "x"], "a page size is a power of two from 512 to 65536, not 1000"],
  [["generate", "x", "--seed"], "generate: --seed needs a value"],
  [["generate", "x", "--checkpointed=yes"], "generate: --checkpointed takes no value"],
  [["list", "x"], "list: takes no arguments"],
  [["verify"], "verify: takes one DIR, as in: verify DIR"],
  [["damage", "x", "flop"], 'damage: unknown kind "flop"; did you mean "flip"?'],
  [["damage", "x"], "damage: takes a DIR and a KIND, as in: damage DIR flip"],
];
test.concurrent.each(misuses)("%p is refused on one line with exit code 2", async (args, message) => {
  const { stdout, stderr, exitCode } = await testkit(...args);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
  expect(stderr).toStartWith("litestream-testkit: ");
  expect(stderr).toContain(message);
  expect(stderr.split("\n")).toHaveLength(2);
});

test("what cannot be done ends on one line with exit code 1", async () => {
  await using folder = await tempFolder();
  const missing = folder.join("missing");
  for (const args of [
    ["verify", missing],
    ["damage", missing, "flip"],
  ]) {
    const stderr = `litestream-testkit: ${missing}/manifest.json does not exist; give the folder of a fixture\n`;
    expect(await testkit(...args)).toEqual({ stdout: "", stderr, exitCode: 1 });
  }
  await testkit("generate", "single-page", folder.join("a"));
  expect(await testkit("generate", "single-page", folder.join("a"))).toMatchObject({
    stderr: `litestream-testkit: ${folder.join("a")} exists and is not an empty folder; remove it, or give another\n`,
    exitCode: 1,
  });
});

const helps: readonly (readonly string[])[] = [
  ["--help"],
  ["generate", "--help"],
  ["list", "-h"],
  ["verify", "--help"],
  ["damage", "--help"],
];
test("--help shows what each command takes, without colours in a pipe", async () => {
  for (const args of helps) {
    const { stdout, exitCode } = await testkit(...args);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("litestream-testkit");
    expect(stdout).not.toContain("\u001B");
  }
});

test("an interrupted generate leaves nothing behind and exits as shells count", async () => {
  await using folder = await tempFolder();
  const begun = Promise.withResolvers<void>();
  using watcher = { watcher: watch(folder.path), [Symbol.dispose]: () => watcher.watcher.close() };
  watcher.watcher.on("change", () => begun.resolve());
  const child = Bun.spawn(
    [process.execPath, main, "generate", "--profile", "blob-overflow", "--wal-bytes", "1000GB", folder.join("a")],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  await begun.promise;
  expect(readdirSync(folder.path)).toHaveLength(1);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await child.stdout.text()).toBe("");
  expect(readdirSync(folder.path)).toEqual([]);
});
