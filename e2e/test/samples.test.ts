/** Every command whose exact output of a release of Litestream is on record, run by this command. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandEnvironment, commandLine } from "../src/command.ts";
import { type Release, type Sample, samples } from "../src/samples.ts";
import { skipUnless } from "../src/tools/skip.ts";

const fixtures: Readonly<Record<Release, string>> = {
  "0.3.4": "v034-ps512",
  "0.3.13": "v0313-ps512",
  "0.5.16": "v05-ps512",
};
const recordings = join(import.meta.dirname, "../../../shared/cli-samples");

describe.each(Object.keys(fixtures) as Release[])("samples of Litestream %s", (release) => {
  let folder: string;
  let generation = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "samples-"));
    cpSync(join(import.meta.dirname, "../golden/fixtures", fixtures[release], "replica"), join(folder, "replica"), {
      recursive: true,
      preserveTimestamps: true,
    });
    [generation = ""] = existsSync(join(folder, "replica/generations"))
      ? readdirSync(join(folder, "replica/generations"))
      : [];
    writeFileSync(
      join(folder, "ls.yml"),
      `socket: { path: ${folder}/none.sock }\n` +
        `dbs:\n  - path: ${folder}/app.db\n    replicas: [{ path: ${folder}/replica }]\n`,
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const argsOf = ({ args }: Sample): string[] =>
    args
      .replaceAll("/data-demo", folder)
      .replaceAll("GENERATION", generation)
      .split(" ")
      .map((word) => (/^\w+\.(?:db|yml)$/.test(word) ? join(folder, word) : word));

  // In their order: a restore makes what the next one finds.
  test("give what their users expect", () => {
    for (const sample of samples.filter(({ releases }) => releases.includes(release))) {
      const { stdout, stderr, exitCode } = Bun.spawnSync([...commandLine, ...argsOf(sample)], {
        env: commandEnvironment(),
        stdin: "ignore",
      });
      const [out, err] = [stdout.toString(), stderr.toString()];
      const found = {
        args: sample.args,
        exit: exitCode,
        columns: sample.columns === undefined ? undefined : out.split("\n", 1)[0]?.replaceAll(/ {2,}/g, " "),
        says: sample.says === undefined || sample.says.test(out + err) ? "what it shall" : out + err,
      };
      expect(found).toEqual({
        args: sample.args,
        exit: sample.exit,
        columns: sample.columns,
        says: "what it shall",
      });
    }
  }, 60_000);
});

const withRecordings = skipUnless(existsSync(recordings) || undefined, "the recorded output is not beside the project");

withRecordings("no recorded command is left out", () => {
  const missing: string[] = [];
  for (const [release, file] of [
    ["0.3.4", "v0.3.4.txt"],
    ["0.3.13", "v0.3.13.txt"],
    ["0.5.16", "v0.5.16.txt"],
  ] as const) {
    const known = new Set(samples.filter(({ releases }) => releases.includes(release)).map(({ args }) => args));
    for (const [, args = ""] of readFileSync(join(recordings, file), "utf8").matchAll(/^\$ litestream (.*)$/gm)) {
      const plain = args.trim().replace(/-generation [0-9a-f]{16}/, "-generation GENERATION");
      if (!known.has(plain)) missing.push(`${release}: ${plain}`);
    }
  }
  expect(missing).toEqual([]);
});
