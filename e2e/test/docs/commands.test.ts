import { describe, expect, test } from "bun:test";
import { commandEntries } from "litestream/commands";
import { isForm, notRunHere, shellBlocksIn, withoutComment } from "../../src/docs/commands.ts";
import { pages, readPage } from "../../src/docs/markdown.ts";
import { Sandbox } from "../../src/docs/sandbox.ts";

const timeoutMs = 120_000;

for (const page of pages.filter((path) => shellBlocksIn(readPage(path)).length > 0)) {
  const commands = shellBlocksIn(readPage(page))
    .flat()
    .filter(({ text }) => !isForm(text));
  const here = commands.filter(({ text }) => notRunHere(text) === undefined);

  test(`what ${page} has run elsewhere names what there is`, () => {
    const wrong = commands.flatMap(({ text, line }) => {
      const problem = notRunHere(text);
      return typeof problem === "string" ? [`${page}:${line} ${text}: ${problem}`] : [];
    });
    expect(wrong).toEqual([]);
  });

  if (here.length === 0) continue;
  test(
    `every command of ${page} runs as it is written`,
    async () => {
      await using sandbox = await Sandbox.create();
      for (const { text, line } of here) {
        const { exitCode, stdout, stderr } = await sandbox.run(text);
        const expected = /#.*exit code (\d+)/.exec(text)?.[1] ?? "0";
        if (exitCode !== Number(expected)) {
          throw new Error(`${page}:${line} ${text}\nended with ${exitCode}:\n${stdout}${stderr}`);
        }
      }
      await sandbox.stop();
    },
    timeoutMs,
  );
}

describe("every form of a command that a page shows", () => {
  test("is one of the command's, with flags that it has", async () => {
    const entries = new Map(commandEntries());
    const wrong: string[] = [];
    for (const page of pages) {
      for (const { text, line } of shellBlocksIn(readPage(page)).flat()) {
        const [, name = "", rest = ""] = /^(?:\.\/)?litestream (\S+)(.*)$/.exec(withoutComment(text)) ?? [];
        if (name === "") continue;
        const command = await entries.get(name)?.load();
        if (command === undefined) {
          wrong.push(`${page}:${line} ${text}: there is no such command`);
          continue;
        }
        const flags = Object.entries(command.flags).map(([flag, { type, ...definition }]) =>
          type === "boolean" && "default" in definition && definition.default === true ? `no-${flag}` : flag,
        );
        for (const [, flag = ""] of rest.replaceAll(/"[^"]*"/g, '""').matchAll(/(?<=\s|\[)--?([a-z][\w-]*)/g)) {
          if (!flags.includes(flag) && flag !== "help") wrong.push(`${page}:${line} ${text}: there is no -${flag}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
