import { afterAll, describe, expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../src/config/problems.ts";
import { parseConfig } from "../../src/config/config-file.ts";
import { forgetSecrets } from "../../src/secrets.ts";
import { litestream } from "../command.ts";
import { goodConfigs, mutate } from "./mutate.ts";

const seed = Number(process.env["LITESTREAM_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const place = /^bad\.yml:[1-9]\d*:[1-9]\d*: ./;

/** What is said of a broken configuration, a line for each problem; undefined for one that is good all the same. */
function problemsOf(text: string): readonly string[] | undefined {
  try {
    parseConfig(text, "bad.yml", {});
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
}

afterAll(forgetSecrets);

describe(`broken configurations (LITESTREAM_SEED=${seed})`, () => {
  test("the good ones are good", () => {
    expect(goodConfigs.map((text) => problemsOf(text))).toEqual(goodConfigs.map(() => undefined));
  });

  test("300 of them each give a message with line and column for each problem, inside of the file", () => {
    const random = new SeededRandom(seed);
    let brokenCount = 0;
    while (brokenCount < 300) {
      const { what, text } = mutate(random);
      const problems = problemsOf(text);
      if (problems === undefined) continue;
      brokenCount++;
      const lineCount = text.split("\n").length;
      for (const problem of problems) {
        const line = Number(/^bad\.yml:(\d+)/.exec(problem)?.[1]);
        if (place.test(problem) && line <= lineCount && !problem.includes("not-to-be-shown")) continue;
        throw new Error(`${what}: ${problem}\n${text}`);
      }
    }
    expect(brokenCount).toBe(300);
  });

  test("a key that is misspelt is named, if it is unknown", () => {
    const random = new SeededRandom(seed, 1);
    let namedCount = 0;
    while (namedCount < 200) {
      const { key, text, what } = mutate(random);
      if (key === undefined) continue;
      const unknown = problemsOf(text)?.find((problem) => problem.includes("unknown key"));
      if (unknown === undefined) continue;
      namedCount++;
      if (!unknown.includes(`did you mean "${key}"?`) && !/did you mean "|it is a key of/.test(unknown)) {
        throw new Error(`${what}: ${unknown}`);
      }
    }
    expect(namedCount).toBe(200);
  });

  test("200 of them give no stack trace by the command", async () => {
    const random = new SeededRandom(seed, 2);
    const folder = mkdtempSync(join(tmpdir(), "mutations-"));
    try {
      const paths: string[] = [];
      while (paths.length < 200) {
        const { text } = mutate(random);
        if (problemsOf(text) === undefined) continue;
        const path = join(folder, `${paths.length}.yml`);
        writeFileSync(path, text);
        paths.push(path);
      }
      const [first = "", ...others] = paths;
      const one = await litestream("config", "check", first);
      expect({ exitCode: one.exitCode, stdout: one.stdout }).toEqual({ exitCode: 1, stdout: "" });
      const all = await litestream("config", "check", first, ...others);
      expect(all.exitCode).toBe(1);
      const lines = all.stderr.trimEnd().split("\n");
      expect(lines.filter((line) => !/^\S+\/\d+\.yml(?::[1-9]\d*:[1-9]\d*)?: ./.test(line))).toEqual([]);
      expect(lines.filter((line) => / problems?$/.test(line))).toHaveLength(200);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
