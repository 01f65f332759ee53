import { skipUnless } from "@litestream/testkit/skip";
import { Workload } from "@litestream/testkit";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandEntries } from "../src/commands.ts";
import { litestream } from "./command.ts";
import { Terminal } from "./terminal.ts";

setDefaultTimeout(60_000);

const onTerminal = skipUnless(Bun.which("tmux") ?? undefined, "tmux is not installed");
const drawProgress = join(import.meta.dirname, "fixtures", "draw-progress.ts");

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "terminal-"));
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

test("the help of each command fits into 80 columns", async () => {
  const tooWide: string[] = [];
  for (const [name] of [...commandEntries(), ["help"] as const]) {
    const { stdout } = await litestream("help", ...(name === "help" ? [] : [name]));
    for (const line of stdout.split("\n")) {
      if (line.replaceAll("\t", "        ").length > 80) tooWide.push(`${name}: ${line}`);
    }
  }
  expect(tooWide).toEqual([]);
});

describe("on a terminal", () => {
  onTerminal("a bar is drawn, stays in its line, and leaves nothing behind", async () => {
    using folder = new Folder();
    using terminal = new Terminal(folder.path);
    terminal.type(`clear; ${process.execPath} ${drawProgress}`);
    await terminal.showing(/^restoring \[=+ +\] \d+ % \| \d+ MB of 100 MB \| \d+ MB\/s \| \d+ s left$/m);
    expect(terminal.wrapped()).toEqual([]);
    const screen = await terminal.showing(/^it is done$/m);
    expect(screen).not.toContain("restoring [");
    expect(terminal.isCursorShown()).toBe(true);
  });

  onTerminal("Ctrl-C takes the bar away, gives the cursor back and ends with 130", async () => {
    using folder = new Folder();
    using terminal = new Terminal(folder.path);
    terminal.type(`${process.execPath} ${drawProgress}; echo code $?`);
    await terminal.showing("restoring [=");
    terminal.press("C-c");
    const screen = await terminal.showing("code 130");
    expect(screen).toContain("SIGINT received: ended before it was done");
    expect(screen).not.toContain("restoring [");
    expect(terminal.isCursorShown()).toBe(true);
  });

  onTerminal("each list and status fits, however long the paths are, and Ctrl-C ends replication well", async () => {
    using folder = new Folder();
    const name = "a-database-whose-name-is-longer-than-any-that-you-have-seen-until-now-on-a-terminal.sqlite";
    {
      using database = new Database(join(folder.path, name));
      database.run("PRAGMA journal_mode = wal");
      using workload = new Workload(database, { seed: 1 });
      workload.commit(5);
    }
    writeFileSync(
      join(folder.path, "l.yml"),
      JSON.stringify({
        logging: { type: "pretty" },
        socket: { enabled: true, path: join(folder.path, "s") },
        dbs: [{ path: join(folder.path, name), replicas: [{ path: join(folder.path, "replica") }] }],
      }),
    );
    using replicating = new Terminal(folder.path);
    replicating.type("litestream replicate -config l.yml; echo code $?");
    await replicating.showing("replica file is up to date");
    using terminal = new Terminal(folder.path);
    for (const [index, command] of [
      "status -config l.yml",
      "list -config l.yml",
      "info -config l.yml",
      "databases -config l.yml",
      "config check l.yml",
      "validate -config l.yml",
      "generations replica",
      "snapshots replica",
      "wal replica",
      "verify replica",
    ].entries()) {
      terminal.type(`clear; litestream ${command}; echo code ${index} $?`);
      const screen = await terminal.showing(new RegExp(`^code ${index} \\d+$`, "m"));
      expect({ command, wrapped: terminal.wrapped(), code: screen.includes(`code ${index} 0`) }).toEqual({
        command,
        wrapped: [],
        code: true,
      });
    }
    terminal.type("clear; litestream status -watch -config l.yml; echo code watched $?");
    await terminal.showing(/^database +status/m);
    expect(terminal.wrapped()).toEqual([]);
    terminal.press("C-c");
    await terminal.showing("code watched 0");
    expect(terminal.isCursorShown()).toBe(true);
    replicating.press("C-c");
    const screen = await replicating.showing(/^code \d+$/m);
    expect(screen).toContain("SIGINT received: last sync");
    expect(screen.replaceAll("\n", "")).toContain("stopped; every replica is at");
    expect(screen).toContain("code 0");
  });
});
