import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "@litestream/testkit/skip";
import { describeCommands } from "../contrib/described.ts";
import { contribFiles } from "../contrib/main.ts";
import { root } from "../distribution/command-entries.ts";
import { runQuietly } from "../distribution/run-quietly.ts";

const completions = join(root, "contrib/completions");
const commands = await describeCommands();

function testWith(...names: string[]): (name: string, body: () => Promise<void>) => void {
  const missing = names.find((name) => Bun.which(name) === null);
  return skipUnless(missing === undefined ? names : undefined, `${missing} is not installed`);
}

test("completions and the manual page are those of the commands; if not, run npm run contrib", async () => {
  for (const [path, text] of await contribFiles()) expect(await readFile(join(root, path), "utf8")).toBe(text);
});

test("a flag whose value is one of a few words has them in its description", () => {
  const flags = commands.flatMap(({ flags: all }) => all);
  const byWord = flags.filter(({ valueHint }) => /^(?:WHEN|DEPTH)$/.test(valueHint ?? ""));
  expect(byWord.length).toBeGreaterThan(0);
  expect(byWord.filter(({ values }) => values.length < 2)).toEqual([]);
});

/** What each shell has to offer, after what was typed: at least these, and none of those. */
const cases = [
  { typed: "litestream re", offered: ["replicate", "restore"], not: ["verify"] },
  { typed: "litestream restore -if", offered: ["-if-db-not-exists", "-if-replica-exists"], not: ["-index"] },
  { typed: "litestream restore -integrity-check ", offered: ["quick", "full", "none"], not: ["-force"] },
  { typed: "litestream replicate -no", offered: ["-no-expand-env"], not: ["-config"] },
  { typed: "litestream help ver", offered: ["verify", "version"], not: ["restore"] },
  { typed: "litestream restore -o /et", offered: ["etc"], not: ["restore"] },
] as const;

/** Fails unless what a shell offered, one in each line or word, is what it should. */
function check(index: number, offers: readonly string[]): void {
  const { offered, not } = cases[index] ?? { offered: ["a case"], not: [] };
  const found = offers.map((line) => line.split("\t")[0]?.replaceAll("/", ""));
  for (const word of offered) expect(found).toContain(word);
  for (const word of not) expect(found).not.toContain(word);
}

testWith("bash")("bash offers what a command takes", async () => {
  for (const [index, { typed }] of cases.entries()) {
    const words = typed.split(" ");
    const script = [
      `source ${completions}/litestream.bash`,
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})`,
      `COMP_CWORD=${words.length - 1}`,
      "$(complete -p litestream | sed 's/.*-F \\([^ ]*\\) .*/\\1/')",
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join("\n");
    check(index, (await runQuietly(["bash", "--norc", "-c", script], root)).split("\n"));
  }
});

testWith("fish")("fish offers what a command takes", async () => {
  const home = await mkdtemp(join(tmpdir(), "litestream-fish-"));
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_RUNTIME_DIR: home };
  try {
    for (const [index, { typed }] of cases.entries()) {
      const script = `source ${completions}/litestream.fish; complete -C '${typed}'`;
      check(index, (await runQuietly(["fish", "--no-config", "-c", script], root, env)).split("\n"));
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

testWith("zsh")("zsh offers what a command takes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "litestream-zsh-"));
  // zsh completes at a terminal only, which its zpty gives it; what it would show there is written to a file instead.
  const inside = `
    PROMPT=
    fpath=(${completions} $fpath)
    autoload -Uz compinit
    compinit -D -u
    compadd() {
      if [[ " \${@[1,(i)(-|--)]} " == *" -"[OAD]" "* ]]; then builtin compadd "$@"; return; fi
      local -a offered
      builtin compadd -A offered "$@"
      print -rl -- $offered >> ${folder}/offered
      builtin compadd "$@"
    }
    answer() { _main_complete; print -r -- CASE >> ${folder}/offered; print answered > ${folder}/news }
    zle -C answer complete-word answer
    bindkey '^D' answer
    zle-line-init() { print ready > ${folder}/news }
    zle -N zle-line-init
  `;
  const asking = `
    zmodload zsh/zpty
    mkfifo ${folder}/news
    await() { until [[ $REPLY == $1 ]]; do read -r < ${folder}/news; done; REPLY= }
    zpty shell zsh -f -i
    zpty -w shell 'source ${folder}/inside.zsh'
    await ready
    for typed in ${cases.map(({ typed }) => `'${typed}'`).join(" ")}; do
      zpty -w -n shell $'\\x15'$typed$'\\x04'
      await answered
    done
  `;
  try {
    await writeFile(join(folder, "inside.zsh"), inside);
    await writeFile(join(folder, "asking.zsh"), asking);
    await runQuietly(["zsh", "-f", join(folder, "asking.zsh")], root, { ...process.env, TERM: "dumb" });
    const answers = (await readFile(join(folder, "offered"), "utf8")).split("CASE\n").slice(0, -1);
    expect(answers).toHaveLength(cases.length);
    for (const [index, answer] of answers.entries()) check(index, answer.split("\n"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

testWith("mandoc")("the manual page is in order, and names every command and flag", async () => {
  const page = join(root, "contrib/man/litestream.1");
  await runQuietly(["mandoc", "-T", "lint", "-W", "error", page], root);
  // Bold is a letter, a backspace and the letter again.
  const bold = new RegExp(`.${String.fromCharCode(8)}`, "g");
  const rendered = (await runQuietly(["mandoc", "-T", "utf8", page], root)).replaceAll(bold, "");
  for (const { name, flags } of commands) {
    expect(rendered).toContain(`\n   ${name}\n`);
    for (const { name: flag, valueHint } of flags) {
      expect(rendered).toMatch(
        new RegExp(`^ {7}-${flag}${valueHint === undefined ? "" : ` ${valueHint}`}(?: |$)`, "m"),
      );
    }
  }
});
