import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { tempFolder, Workload } from "@litestream/testkit";
import { watch } from "../../src/status/watch.ts";
import { RunningCommand, spawn } from "../command.ts";

test("watch draws over what was there, on a screen of its own, and leaves the last picture behind", async () => {
  const abort = new AbortController();
  let written = "";
  let drawn = 0;
  await watch({
    draw: async () => {
      drawn++;
      if (drawn === 2) abort.abort();
      return ["first", "second", "third", "fourth"].map((line) => `${line} ${drawn}`).join("\n");
    },
    write: (text) => {
      written += text;
    },
    isTerminal: true,
    rows: () => 3,
    signal: abort.signal,
  });
  const escape = "\u001b[";
  const picture = (n: number): string =>
    `${escape}Hfirst ${n}${escape}K\r\nsecond ${n}${escape}K\r\n… 2 more lines${escape}K${escape}J`;
  expect(written).toBe(
    `${escape}?1049h${escape}?25l${picture(1)}${picture(2)}${escape}?25h${escape}?1049l` +
      "first 2\nsecond 2\nthird 2\nfourth 2\n",
  );
});

test("`status -watch` shows a running replicator anew each second, and ends with an interrupt", async () => {
  await using folder = await tempFolder();
  const [path, socket] = [folder.join("app.db"), folder.join("litestream.sock")];
  using database = new Database(path);
  database.run("PRAGMA journal_mode = wal");
  using workload = new Workload(database, { seed: 1 });
  workload.commit(3);
  await using replicator = new RunningCommand("replicate", "-socket", socket, path, folder.join("replica"));
  await replicator.saying("up to date");
  const status = spawn(["status", "-watch", "-socket", socket]);
  let shown = "";
  for await (const text of status.stdout.pipeThrough(new TextDecoderStream())) {
    shown += text;
    if ((shown.match(/^database /gm) ?? []).length >= 2 && /at most .*app\.db file\n$/.test(shown))
      status.kill("SIGINT");
  }
  expect(await status.exited).toBe(0);
  expect(shown).toContain(" ok ");
  expect(shown).toMatch(/▁▁ at most .*app\.db file/);
  await replicator.end("SIGTERM");
}, 60_000);
